// The texts in the heads of gRPC's calls: time-outs, messages of a status, values of "-bin" metadata.
//
// Plain functions, any thread, never throw. Source: gRPC over HTTP2 (PROTOCOL-HTTP2.md of the gRPC project).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/call_context.h"
#include "base/result.h"

namespace tandem::net::grpc {

// When the time of a grpc-timeout ("100m") is over, counted from `now`; `max()` when that is beyond what counts. Fails
// with kInternal for what is none, as grpc-go words it.
Result<SteadyTime> deadline_of(std::string_view timeout, SteadyTime now);

// A status's message for grpc-message: what is not printable, and "%", is percent-encoded.
std::string encode_message(std::string_view message);

// Base64 without padding.
std::string encode_binary(std::string_view bytes);
// Base64 with padding or without; nullopt when it is not that.
std::optional<std::string> decode_binary(std::string_view text);

}  // namespace tandem::net::grpc
