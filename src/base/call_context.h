// What every call carries through every room: who asks, until when, and the trace it belongs to.
#pragma once

#include <chrono>
#include <string>

namespace tandem {

using SteadyTime = std::chrono::steady_clock::time_point;

// W3C Trace Context (https://www.w3.org/TR/trace-context/). Empty traceparent: the call is not traced.
struct TraceContext {
  std::string traceparent;
  std::string tracestate;
};

// Whose code the call comes from. A door cannot tell who is at the other end of a socket; a guest runs in this process,
// under the grants of its app.
enum class CallOrigin { kDoor, kGuest };

struct CallContext {
  // The Dapr app id of the caller. Set by the door from the port or the calling guest, never from a header.
  std::string app_id;
  // The caller stops waiting then. `max()` means that the call has no deadline of its own.
  SteadyTime deadline = SteadyTime::max();
  TraceContext trace;
  CallOrigin origin = CallOrigin::kDoor;
};

}  // namespace tandem
