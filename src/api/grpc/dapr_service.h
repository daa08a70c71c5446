// dapr.proto.runtime.v1.Dapr for one app: the methods that Tandem serves, each handed to its block's file here.
//
// Owned by the door (grpc_door.h), outlives the gRPC server that it is registered with. Methods run on gRPC's threads.
#pragma once

#include <atomic>
#include <cstddef>
#include <string_view>

#include "api/grpc/api_options.h"
#include "dapr/proto/runtime/v1/dapr.grpc.pb.h"

namespace tandem::api::grpc {

namespace wire = ::dapr::proto::runtime::v1;

class DaprService final : public wire::Dapr::CallbackService {
 public:
  // `options` outlive the service.
  explicit DaprService(const ApiOptions& options) : api_(options) {}

  // How many calls have ended without an answer of ours: their clients left, or the server ended. Any thread.
  std::size_t cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  using Context = ::grpc::CallbackServerContext;
  using Reactor = ::grpc::ServerUnaryReactor;
  using UpdateStream = ::grpc::ServerWriteReactor<wire::SubscribeConfigurationResponse>;
  using Empty = ::google::protobuf::Empty;

  Reactor* InvokeService(Context* server, const wire::InvokeServiceRequest* request,
                         ::dapr::proto::common::v1::InvokeResponse* response) override;
  Reactor* GetState(Context* server, const wire::GetStateRequest* request, wire::GetStateResponse* response) override;
  Reactor* GetBulkState(Context* server, const wire::GetBulkStateRequest* request,
                        wire::GetBulkStateResponse* response) override;
  Reactor* SaveState(Context* server, const wire::SaveStateRequest* request, Empty*) override;
  Reactor* QueryStateAlpha1(Context* server, const wire::QueryStateRequest* request,
                            wire::QueryStateResponse*) override;
  Reactor* DeleteState(Context* server, const wire::DeleteStateRequest* request, Empty*) override;
  Reactor* DeleteBulkState(Context* server, const wire::DeleteBulkStateRequest* request, Empty*) override;
  Reactor* ExecuteStateTransaction(Context* server, const wire::ExecuteStateTransactionRequest* request,
                                   Empty*) override;
  Reactor* PublishEvent(Context* server, const wire::PublishEventRequest* request, Empty*) override;
  Reactor* BulkPublishEventAlpha1(Context* server, const wire::BulkPublishRequest* request,
                                  wire::BulkPublishResponse*) override;
  Reactor* BulkPublishEvent(Context* server, const wire::BulkPublishRequest* request,
                            wire::BulkPublishResponse*) override;
  Reactor* InvokeBinding(Context* server, const wire::InvokeBindingRequest* request,
                         wire::InvokeBindingResponse* response) override;
  ::grpc::ServerBidiReactor<wire::SubscribeTopicEventsRequestAlpha1, wire::SubscribeTopicEventsResponseAlpha1>*
  SubscribeTopicEventsAlpha1(Context* server) override;
  Reactor* GetSecret(Context* server, const wire::GetSecretRequest* request,
                     wire::GetSecretResponse* response) override;
  Reactor* GetBulkSecret(Context* server, const wire::GetBulkSecretRequest* request,
                         wire::GetBulkSecretResponse* response) override;
  Reactor* GetConfigurationAlpha1(Context* server, const wire::GetConfigurationRequest* request,
                                  wire::GetConfigurationResponse* response) override;
  Reactor* GetConfiguration(Context* server, const wire::GetConfigurationRequest* request,
                            wire::GetConfigurationResponse* response) override;
  UpdateStream* SubscribeConfigurationAlpha1(Context* server,
                                             const wire::SubscribeConfigurationRequest* request) override;
  UpdateStream* SubscribeConfiguration(Context* server, const wire::SubscribeConfigurationRequest* request) override;
  Reactor* UnsubscribeConfigurationAlpha1(Context* server, const wire::UnsubscribeConfigurationRequest* request,
                                          wire::UnsubscribeConfigurationResponse* response) override;
  Reactor* UnsubscribeConfiguration(Context* server, const wire::UnsubscribeConfigurationRequest* request,
                                    wire::UnsubscribeConfigurationResponse* response) override;
  Reactor* GetMetadata(Context* server, const wire::GetMetadataRequest*, wire::GetMetadataResponse* response) override;
  Reactor* SetMetadata(Context* server, const wire::SetMetadataRequest* request, Empty*) override;
  Reactor* Shutdown(Context* server, const wire::ShutdownRequest*, Empty*) override;

  // Runs `method(call)` for a call, of the method called `name`, that may go on.
  template <class Method>
  Reactor* serve(Context& server, std::string_view name, Method method);
  // Workers take turns.
  std::size_t next_worker() { return turn_.fetch_add(1, std::memory_order_relaxed) % api_.workers.size(); }
  Executor& late() { return *api_.workers[next_worker()]; }

  const ApiOptions& api_;
  std::atomic<std::size_t> turn_ = 0;
  std::atomic<std::size_t> cancelled_ = 0;
};

}  // namespace tandem::api::grpc
