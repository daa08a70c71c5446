// A call of any service, passed on to another program as bytes: unary or streaming in either direction.
//
// One message at a time is on its way in each direction, so whoever is slow holds the other side back. Half-close, the
// caller's metadata and deadline and its leaving go on to the callee; initial metadata (as soon as they come), trailing
// metadata, status and its details come back. Owns itself, on the threads of gRPC. Limits are the server's and the
// channel's.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/generic/async_generic_service.h>

#include <atomic>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "net/grpc/call_route.h"

namespace tandem::net::grpc {

// The app that a call's metadata name, "dapr-callee-app-id" before "dapr-app-id"; nullopt: none.
std::optional<std::string_view> callee_of(const ::grpc::ServerContextBase& server);

struct PassOptions {
  // The app whose call it is: a callee with another id hears it as dapr-caller-app-id, and its own as
  // dapr-callee-app-id. Empty: the metadata say already who calls, as those of a peer do.
  std::string caller;
  // Counts the calls whose clients left, or whose server ended, before there was an answer. Outlives the server.
  std::atomic<std::size_t>& cancelled;
};

// The reactor of a call to `target`. `router` outlives the server.
::grpc::ServerGenericBidiReactor* pass_call(::grpc::GenericCallbackServerContext& server, std::string_view target,
                                            const CallRouter& router, const PassOptions& options);

// What a call carries on its way along `route`: its metadata but for Dapr's own and those of the hop; `caller` as in
// PassOptions.
void onward_metadata(const ::grpc::ServerContextBase& server, const CallRoute& route, const std::string& caller,
                     ::grpc::ClientContext& onward);
// Initial and trailing metadata of an answer, once all of it has come.
void answer_metadata(const ::grpc::ClientContext& onward, ::grpc::CallbackServerContext& server);

// The reactor of a call that fails at once.
::grpc::ServerGenericBidiReactor* refuse_call(::grpc::Status status);

}  // namespace tandem::net::grpc
