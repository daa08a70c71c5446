// dapr.proto.runtime.v1.Dapr for one app: the methods that Tandem serves, each handed to its block's file here.
//
// Owned by the door (grpc_door.h), outlives the server. Methods run on the workers, each on that of its connection.
#pragma once

#include <atomic>
#include <cstddef>

#include "api/grpc/api_options.h"
#include "net/grpc/server_call.h"

namespace tandem::api::grpc {

class DaprService final {
 public:
  // `options` outlive the service.
  explicit DaprService(const ApiOptions& options) : api_(options) {}

  // Takes a call of a method that is served here; false: it is not, and `call` is as it was.
  bool serve(net::grpc::IncomingCall& call);

  // How many calls have ended without an answer of ours: their clients left, or the server ended. Any thread.
  std::size_t cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

  // For the methods.
  const ApiOptions& api() const { return api_; }
  std::atomic<std::size_t>& cancelled_count() { return cancelled_; }
  // Workers take turns with the apps that are invoked: a client has one connection for all that it asks.
  std::size_t next_worker() { return turn_.fetch_add(1, std::memory_order_relaxed) % api_.workers.size(); }

 private:
  const ApiOptions& api_;
  std::atomic<std::size_t> turn_ = 0;
  std::atomic<std::size_t> cancelled_ = 0;
};

}  // namespace tandem::api::grpc
