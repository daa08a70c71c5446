#include "api/grpc/dapr_service.h"

#include <utility>

#include "api/grpc/binding_methods.h"
#include "api/grpc/call_metadata.h"
#include "api/grpc/configuration_methods.h"
#include "api/grpc/configuration_stream.h"
#include "api/grpc/invoke_methods.h"
#include "api/grpc/pubsub_methods.h"
#include "api/grpc/secret_methods.h"
#include "api/grpc/sidecar_methods.h"
#include "api/grpc/state_methods.h"
#include "api/grpc/topic_stream.h"
#include "api/grpc/unary_call.h"

namespace tandem::api::grpc {

template <class Method>
::grpc::ServerUnaryReactor* DaprService::serve(Context& server, std::string_view name, Method method) {
  CallContext context = context_of(server, api_.app_id);
  if (api_.sampler.enabled()) {
    context.trace = telemetry::begin_trace(context.trace.traceparent, context.trace.tracestate, api_.sampler);
  }
  const SharedCall call = UnaryCall::make(server, std::move(context), cancelled_);
  if (auto refused = check_access(server, name, api_.access, api_.api_token)) {
    call->fail(std::move(*refused));
  } else {
    method(call);
  }
  return call.get();
}

::grpc::ServerUnaryReactor* DaprService::InvokeService(Context* server, const wire::InvokeServiceRequest* request,
                                                       ::dapr::proto::common::v1::InvokeResponse* response) {
  return serve(*server, "/dapr.proto.runtime.v1.Dapr/InvokeService", [&](const SharedCall& call) {
    invoke_service(api_, next_worker(), call, *server, *request, *response);
  });
}

::grpc::ServerUnaryReactor* DaprService::GetState(Context* server, const wire::GetStateRequest* request,
                                                  wire::GetStateResponse* response) {
  return serve(*server, "/dapr.proto.runtime.v1.Dapr/GetState",
               [&](const SharedCall& call) { get_state(api_, late(), call, *request, *response); });
}

::grpc::ServerUnaryReactor* DaprService::GetBulkState(Context* server, const wire::GetBulkStateRequest* request,
                                                      wire::GetBulkStateResponse* response) {
  return serve(*server, "/dapr.proto.runtime.v1.Dapr/GetBulkState",
               [&](const SharedCall& call) { get_bulk_state(api_, late(), call, *request, *response); });
}

::grpc::ServerUnaryReactor* DaprService::SaveState(Context* server, const wire::SaveStateRequest* request, Empty*) {
  return serve(*server, "/dapr.proto.runtime.v1.Dapr/SaveState",
               [&](const SharedCall& call) { save_state(api_, late(), call, *request); });
}

::grpc::ServerUnaryReactor* DaprService::QueryStateAlpha1(Context* server, const wire::QueryStateRequest* request,
                                                          wire::QueryStateResponse*) {
  return serve(*server, "/dapr.proto.runtime.v1.Dapr/QueryStateAlpha1",
               [&](const SharedCall& call) { query_state(api_, late(), call, *request); });
}

::grpc::ServerUnaryReactor* DaprService::DeleteState(Context* server, const wire::DeleteStateRequest* request, Empty*) {
  return serve(*server, "/dapr.proto.runtime.v1.Dapr/DeleteState",
               [&](const SharedCall& call) { delete_state(api_, late(), call, *request); });
}

::grpc::ServerUnaryReactor* DaprService::DeleteBulkState(Context* server, const wire::DeleteBulkStateRequest* request,
                                                         Empty*) {
  return serve(*server, "/dapr.proto.runtime.v1.Dapr/DeleteBulkState",
               [&](const SharedCall& call) { delete_bulk_state(api_, late(), call, *request); });
}

::grpc::ServerUnaryReactor* DaprService::ExecuteStateTransaction(Context* server,
                                                                 const wire::ExecuteStateTransactionRequest* request,
                                                                 Empty*) {
  return serve(*server, "/dapr.proto.runtime.v1.Dapr/ExecuteStateTransaction",
               [&](const SharedCall& call) { execute_transaction(api_, late(), call, *request); });
}

::grpc::ServerUnaryReactor* DaprService::PublishEvent(Context* server, const wire::PublishEventRequest* request,
                                                      Empty*) {
  return serve(*server, "/dapr.proto.runtime.v1.Dapr/PublishEvent",
               [&](const SharedCall& call) { publish_event(api_, late(), call, *request); });
}

::grpc::ServerUnaryReactor* DaprService::BulkPublishEventAlpha1(Context* server,
                                                                const wire::BulkPublishRequest* request,
                                                                wire::BulkPublishResponse*) {
  return serve(*server, "/dapr.proto.runtime.v1.Dapr/BulkPublishEventAlpha1",
               [&](const SharedCall& call) { bulk_publish_event(api_, late(), call, *request); });
}

::grpc::ServerUnaryReactor* DaprService::BulkPublishEvent(Context* server, const wire::BulkPublishRequest* request,
                                                          wire::BulkPublishResponse*) {
  return serve(*server, "/dapr.proto.runtime.v1.Dapr/BulkPublishEvent",
               [&](const SharedCall& call) { bulk_publish_event(api_, late(), call, *request); });
}

::grpc::ServerUnaryReactor* DaprService::InvokeBinding(Context* server, const wire::InvokeBindingRequest* request,
                                                       wire::InvokeBindingResponse* response) {
  return serve(*server, "/dapr.proto.runtime.v1.Dapr/InvokeBinding",
               [&](const SharedCall& call) { invoke_binding(api_, late(), call, *server, *request, *response); });
}

::grpc::ServerBidiReactor<wire::SubscribeTopicEventsRequestAlpha1, wire::SubscribeTopicEventsResponseAlpha1>*
DaprService::SubscribeTopicEventsAlpha1(Context* server) {
  const auto stream = TopicStream::make(api_, cancelled_);
  stream->begin(
      check_access(*server, "/dapr.proto.runtime.v1.Dapr/SubscribeTopicEventsAlpha1", api_.access, api_.api_token));
  return stream.get();
}

::grpc::ServerUnaryReactor* DaprService::GetSecret(Context* server, const wire::GetSecretRequest* request,
                                                   wire::GetSecretResponse* response) {
  return serve(*server, "/dapr.proto.runtime.v1.Dapr/GetSecret",
               [&](const SharedCall& call) { get_secret(api_, late(), call, *request, *response); });
}

::grpc::ServerUnaryReactor* DaprService::GetBulkSecret(Context* server, const wire::GetBulkSecretRequest* request,
                                                       wire::GetBulkSecretResponse* response) {
  return serve(*server, "/dapr.proto.runtime.v1.Dapr/GetBulkSecret",
               [&](const SharedCall& call) { get_bulk_secret(api_, late(), call, *request, *response); });
}

::grpc::ServerUnaryReactor* DaprService::GetConfigurationAlpha1(Context* server,
                                                                const wire::GetConfigurationRequest* request,
                                                                wire::GetConfigurationResponse* response) {
  return serve(*server, "/dapr.proto.runtime.v1.Dapr/GetConfigurationAlpha1",
               [&](const SharedCall& call) { get_configuration(api_, late(), call, *request, *response); });
}

::grpc::ServerUnaryReactor* DaprService::GetConfiguration(Context* server, const wire::GetConfigurationRequest* request,
                                                          wire::GetConfigurationResponse* response) {
  return serve(*server, "/dapr.proto.runtime.v1.Dapr/GetConfiguration",
               [&](const SharedCall& call) { get_configuration(api_, late(), call, *request, *response); });
}

DaprService::UpdateStream* DaprService::SubscribeConfigurationAlpha1(
    Context* server, const wire::SubscribeConfigurationRequest* request) {
  return subscribe_configuration(api_, late(), *server, "/dapr.proto.runtime.v1.Dapr/SubscribeConfigurationAlpha1",
                                 *request);
}

DaprService::UpdateStream* DaprService::SubscribeConfiguration(Context* server,
                                                               const wire::SubscribeConfigurationRequest* request) {
  return subscribe_configuration(api_, late(), *server, "/dapr.proto.runtime.v1.Dapr/SubscribeConfiguration", *request);
}

::grpc::ServerUnaryReactor* DaprService::UnsubscribeConfigurationAlpha1(
    Context* server, const wire::UnsubscribeConfigurationRequest* request,
    wire::UnsubscribeConfigurationResponse* response) {
  return serve(*server, "/dapr.proto.runtime.v1.Dapr/UnsubscribeConfigurationAlpha1",
               [&](const SharedCall& call) { unsubscribe_configuration(api_, late(), call, *request, *response); });
}

::grpc::ServerUnaryReactor* DaprService::UnsubscribeConfiguration(Context* server,
                                                                  const wire::UnsubscribeConfigurationRequest* request,
                                                                  wire::UnsubscribeConfigurationResponse* response) {
  return serve(*server, "/dapr.proto.runtime.v1.Dapr/UnsubscribeConfiguration",
               [&](const SharedCall& call) { unsubscribe_configuration(api_, late(), call, *request, *response); });
}

::grpc::ServerUnaryReactor* DaprService::GetMetadata(Context* server, const wire::GetMetadataRequest*,
                                                     wire::GetMetadataResponse* response) {
  return serve(*server, "/dapr.proto.runtime.v1.Dapr/GetMetadata",
               [&](const SharedCall& call) { get_metadata(api_, call, *response); });
}

::grpc::ServerUnaryReactor* DaprService::SetMetadata(Context* server, const wire::SetMetadataRequest* request, Empty*) {
  return serve(*server, "/dapr.proto.runtime.v1.Dapr/SetMetadata",
               [&](const SharedCall& call) { set_metadata(api_, call, *request); });
}

::grpc::ServerUnaryReactor* DaprService::Shutdown(Context* server, const wire::ShutdownRequest*, Empty*) {
  return serve(*server, "/dapr.proto.runtime.v1.Dapr/Shutdown", [&](const SharedCall& call) { shut_down(api_, call); });
}

}  // namespace tandem::api::grpc
