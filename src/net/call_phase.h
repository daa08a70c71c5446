// How far a call of the HTTP client has come, whatever it speaks, and what it says when the next step takes too long.
//
// Plain values and a function, any thread, never throw.
#pragma once

#include "base/error.h"
#include "net/http_client.h"

namespace tandem::net {

// kHeldBack: its sink has not asked for more of the answer.
enum class CallPhase { kConnecting, kFirstByte, kBody, kHeldBack, kOver };

// kDeadlineExceeded, naming the peer and the limit that was passed. For the first three phases, which have one.
Error overdue(const ClientRequest& request, CallPhase phase);

}  // namespace tandem::net
