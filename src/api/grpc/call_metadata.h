// What comes with a call besides its message: the token, the deadline, the trace, the caller's other metadata.
//
// Plain functions, any thread, never throw.
#pragma once

#include <grpcpp/support/status.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/call_context.h"
#include "config/api_access.h"
#include "net/http.h"

namespace tandem::api::grpc {

// The context of a call by `app_id`.
CallContext context_of(net::Headers headers, SteadyTime deadline, const std::string& app_id);

// As daprd refuses a call of a method ("/package.Service/Method") that its rules take away, or one without `token` in
// dapr-api-token; nullopt: it may go on. An empty `token` asks for none.
std::optional<::grpc::Status> check_access(net::Headers headers, std::string_view method,
                                           const config::ApiAccess& access, std::string_view token);

// The caller's baggage: its metadata of that name, joined; empty: none.
std::string baggage_of(net::Headers headers);

// OpenCensus's binary form of a span context, as a traceparent; empty when it is not one.
std::string traceparent_of_binary(std::string_view bytes);

// A map of a message as the blocks know it.
template <class Map>
Metadata to_metadata(const Map& map) {
  Metadata metadata;
  for (const auto& [name, value] : map) metadata.emplace(name, value);
  return metadata;
}

}  // namespace tandem::api::grpc
