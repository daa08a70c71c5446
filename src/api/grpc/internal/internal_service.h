// dapr.proto.internals.v1.ServiceInvocation: what other sidecars ask of an app of this process.
//
// Owned by the door (internal_door.h), outlives its server. Methods run on the worker of their connection, the app is
// called on workers that take turns. Failures are worded as daprd's.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>
#include <vector>

#include "api/grpc/internal/peer_messages.h"
#include "api/grpc/internal/stream_call.h"
#include "base/executor.h"
#include "blocks/invoke/invoke_service.h"
#include "net/grpc/server_call.h"

namespace tandem::api::grpc {

struct InternalOptions {
  std::string app_id;
  const invoke::InvokeService& invoke;
  // All workers, by their number.
  std::vector<Executor*> workers;
  // Of a message in either direction.
  std::size_t max_message_bytes = std::size_t{4} << 20;
};

class InternalService final : public net::grpc::CallService {
 public:
  // `options` outlive the service. `others` takes every method that is not ServiceInvocation's, and outlives it, too;
  // null: they are UNIMPLEMENTED.
  InternalService(const InternalOptions& options, net::grpc::CallService* others)
      : options_(options), others_(others) {}

  void serve(net::grpc::IncomingCall call) override;

  // How many calls have ended without an answer of ours. Any thread.
  std::size_t cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  class LocalCall;

  Result<LocalApp> local_app();

  const InternalOptions& options_;
  net::grpc::CallService* const others_;
  std::atomic<std::size_t> turn_ = 0;
  std::atomic<std::size_t> cancelled_ = 0;
};

}  // namespace tandem::api::grpc
