// What the internal port of an app does with calls of services that are not Dapr's: they come from a peer's sidecar and
// go on to the app.
//
// Owned by whoever has the gRPC server, outlives it. Runs on the workers.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>
#include <utility>

#include "net/grpc/call_route.h"
#include "net/grpc/server_call.h"

namespace tandem::net::grpc {

class PassingService final : public CallService {
 public:
  // Calls for `app_id` only. `router` outlives the service.
  PassingService(std::string app_id, const CallRouter& router) : app_id_(std::move(app_id)), router_(router) {}

  void serve(IncomingCall call) override;

  // How many calls have ended without an answer: their clients left, or the server ended. Any thread.
  std::size_t cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  const std::string app_id_;
  const CallRouter& router_;
  std::atomic<std::size_t> cancelled_ = 0;
};

}  // namespace tandem::net::grpc
