// dapr.proto.internals.v1.ServiceInvocation: what other sidecars ask of an app of this process.
//
// Owned by the door (internal_door.h), outlives the gRPC server that it is registered with. Methods run on gRPC's
// threads, the app is called on workers that take turns. Failures are worded as daprd's.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>
#include <vector>

#include "api/grpc/internal/peer_messages.h"
#include "api/grpc/internal/stream_call.h"
#include "base/executor.h"
#include "blocks/invoke/invoke_service.h"
#include "dapr/proto/internals/v1/service_invocation.grpc.pb.h"

namespace tandem::api::grpc {

struct InternalOptions {
  std::string app_id;
  const invoke::InvokeService& invoke;
  // All workers, by their number.
  std::vector<Executor*> workers;
  // Of a message in either direction.
  std::size_t max_message_bytes = std::size_t{4} << 20;
};

class InternalService final : public peer::ServiceInvocation::CallbackService {
 public:
  // `options` outlive the service.
  explicit InternalService(const InternalOptions& options) : options_(options) {}

  // How many calls have ended without an answer of ours. Any thread.
  std::size_t cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  using Context = ::grpc::CallbackServerContext;

  ::grpc::ServerUnaryReactor* CallLocal(Context* server, const peer::InternalInvokeRequest* request,
                                        peer::InternalInvokeResponse* response) override;
  ::grpc::ServerBidiReactor<peer::InternalInvokeRequestStream, peer::InternalInvokeResponseStream>* CallLocalStream(
      Context* server) override;

  Result<LocalApp> local_app();

  const InternalOptions& options_;
  std::atomic<std::size_t> turn_ = 0;
  std::atomic<std::size_t> cancelled_ = 0;
};

}  // namespace tandem::api::grpc
