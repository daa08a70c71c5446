// A call of any service, passed on to another program as bytes: unary or streaming in either direction.
//
// One message at a time is on its way in each direction, so whoever is slow holds the other side back. Half-close, the
// caller's metadata and deadline and its leaving go on to the callee; initial metadata (as soon as they come), trailing
// metadata, status and its details come back. Owns itself: what its client sends is on
// the worker of its connection, what its callee sends on the threads of gRPC. Limits are the server's and the
// channel's.
#pragma once

#include <grpcpp/client_context.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/grpc/call_route.h"
#include "net/grpc/server_call.h"

namespace tandem::net::grpc {

// The app that a call's metadata name, "dapr-callee-app-id" before "dapr-app-id"; nullopt: none.
std::optional<std::string> callee_of(const net::Exchange& exchange);

struct PassOptions {
  // The app whose call it is: a callee with another id hears it as dapr-caller-app-id, and its own as
  // dapr-callee-app-id. Empty: the metadata say already who calls, as those of a peer do.
  std::string caller;
  // Counts the calls whose clients left, or whose server ended, before there was an answer. Outlives the server.
  std::atomic<std::size_t>& cancelled;
};

// Serves a call by passing it on to `target`. `router` outlives the server.
void pass_call(IncomingCall call, std::string_view target, const CallRouter& router, const PassOptions& options);

// What a call carries on its way along `route`: its metadata but for Dapr's own and those of the hop; `caller` as in
// PassOptions. On the call's worker.
MetadataPairs onward_metadata(const ServerCall& call, const CallRoute& route, const std::string& caller);
void add_metadata(::grpc::ClientContext& onward, const MetadataPairs& metadata);
// The deadline of a call for the call that it becomes.
void set_deadline(::grpc::ClientContext& onward, SteadyTime deadline);
// Initial and trailing metadata of an answer, once all of it has come.
AnswerMetadata answer_metadata(const ::grpc::ClientContext& onward);

// Answers a call with a failure at once.
void refuse_call(IncomingCall call, const ::grpc::Status& status);

}  // namespace tandem::net::grpc
