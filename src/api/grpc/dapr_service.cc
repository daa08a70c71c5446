#include "api/grpc/dapr_service.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
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
#include "dapr/proto/runtime/v1/dapr.pb.h"
#include "telemetry/baggage.h"

namespace tandem::api::grpc {
namespace {

namespace wire = ::dapr::proto::runtime::v1;
using ::dapr::proto::common::v1::InvokeResponse;
using ::google::protobuf::Empty;

constexpr std::string_view kService = "/dapr.proto.runtime.v1.Dapr/";

// A call with its messages. `Method` is called with the API and the call.
template <class RequestType, class ResponseType>
class DaprCall final : public UnaryCall {
 public:
  using Method = void (*)(DaprService& service, const std::shared_ptr<DaprCall>& call);

  DaprCall(IncomingCall incoming, DaprService& service, Method method)
      : UnaryCall(std::move(incoming), service.cancelled_count()), service_(service), method_(method) {}

  RequestType request;
  ResponseType response;

 private:
  ::google::protobuf::MessageLite& request_message() override { return request; }
  const ::google::protobuf::MessageLite& response_message() const override { return response; }
  void run() override {
    const ApiOptions& api = service_.api();
    CallContext context = context_of(server().headers(), server().deadline(), api.app_id);
    if (api.sampler.enabled()) {
      context.trace = telemetry::begin_trace(context.trace.traceparent, context.trace.tracestate, api.sampler);
    }
    set_context(std::move(context));
    if (api.sampler.enabled()) {
      auto baggage = telemetry::read_baggage(baggage_of(server().headers()));
      if (!baggage) {
        fail({::grpc::StatusCode::INVALID_ARGUMENT, "invalid baggage header: " + baggage.error().message});
        return;
      }
      set_baggage(std::move(*baggage));
    }
    if (auto refused = check_access(server().headers(), server().method(), api.access, api.api_token)) {
      fail(std::move(*refused));
      return;
    }
    method_(service_, std::static_pointer_cast<DaprCall>(shared_from_this()));
  }

  DaprService& service_;
  const Method method_;
};

using Serve = void (*)(DaprService& service, IncomingCall call);

// Serves calls with `run`, which is given the service and the call.
template <class Request, class Response, auto run>
void unary(DaprService& service, IncomingCall incoming) {
  std::make_shared<DaprCall<Request, Response>>(
      std::move(incoming), service,
      [](DaprService& of, const std::shared_ptr<DaprCall<Request, Response>>& call) { run(of, *call, call); })
      ->begin();
}

// The methods of the blocks in their three forms.
template <class Request, class Response, auto method>
constexpr Serve answering = unary<Request, Response, [](DaprService& service, auto& call, const SharedCall& shared) {
  method(service.api(), shared->worker(), shared, call.request, call.response);
}>;
template <class Request, auto method>
constexpr Serve doing = unary<Request, Empty, [](DaprService& service, auto& call, const SharedCall& shared) {
  method(service.api(), shared->worker(), shared, call.request);
}>;

struct Entry {
  std::string_view name;
  Serve serve;
};

// By name, for a search.
constexpr auto kMethods = std::to_array<Entry>({
    {"BulkPublishEvent", unary<wire::BulkPublishRequest, wire::BulkPublishResponse,
                               [](DaprService& service, auto& call, const SharedCall& shared) {
                                 bulk_publish_event(service.api(), shared->worker(), shared, call.request);
                               }>},
    {"BulkPublishEventAlpha1", unary<wire::BulkPublishRequest, wire::BulkPublishResponse,
                                     [](DaprService& service, auto& call, const SharedCall& shared) {
                                       bulk_publish_event(service.api(), shared->worker(), shared, call.request);
                                     }>},
    {"DeleteBulkState", doing<wire::DeleteBulkStateRequest, delete_bulk_state>},
    {"DeleteState", doing<wire::DeleteStateRequest, delete_state>},
    {"ExecuteStateTransaction", doing<wire::ExecuteStateTransactionRequest, execute_transaction>},
    {"GetBulkSecret", answering<wire::GetBulkSecretRequest, wire::GetBulkSecretResponse, get_bulk_secret>},
    {"GetBulkState", answering<wire::GetBulkStateRequest, wire::GetBulkStateResponse, get_bulk_state>},
    {"GetConfiguration", answering<wire::GetConfigurationRequest, wire::GetConfigurationResponse, get_configuration>},
    {"GetConfigurationAlpha1",
     answering<wire::GetConfigurationRequest, wire::GetConfigurationResponse, get_configuration>},
    {"GetMetadata", unary<wire::GetMetadataRequest, wire::GetMetadataResponse,
                          [](DaprService& service, auto& call, const SharedCall& shared) {
                            get_metadata(service.api(), shared, call.response);
                          }>},
    {"GetSecret", answering<wire::GetSecretRequest, wire::GetSecretResponse, get_secret>},
    {"GetState", answering<wire::GetStateRequest, wire::GetStateResponse, get_state>},
    {"InvokeBinding", answering<wire::InvokeBindingRequest, wire::InvokeBindingResponse, invoke_binding>},
    {"InvokeService", unary<wire::InvokeServiceRequest, InvokeResponse,
                            [](DaprService& service, auto& call, const SharedCall& shared) {
                              invoke_service(service.api(), service.next_worker(), shared, call.request, call.response);
                            }>},
    {"PublishEvent", doing<wire::PublishEventRequest, publish_event>},
    {"QueryStateAlpha1", unary<wire::QueryStateRequest, wire::QueryStateResponse,
                               [](DaprService& service, auto& call, const SharedCall& shared) {
                                 query_state(service.api(), shared->worker(), shared, call.request);
                               }>},
    {"SaveState", doing<wire::SaveStateRequest, save_state>},
    {"SetMetadata", unary<wire::SetMetadataRequest, Empty,
                          [](DaprService& service, auto& call, const SharedCall& shared) {
                            set_metadata(service.api(), shared, call.request);
                          }>},
    {"Shutdown",
     unary<wire::ShutdownRequest, Empty,
           [](DaprService& service, auto&, const SharedCall& shared) { shut_down(service.api(), shared); }>},
    {"SubscribeConfiguration",
     [](DaprService& service,
        IncomingCall call) { subscribe_configuration(service.api(), std::move(call), service.cancelled_count()); }},
    {"SubscribeConfigurationAlpha1",
     [](DaprService& service,
        IncomingCall call) { subscribe_configuration(service.api(), std::move(call), service.cancelled_count()); }},
    {"SubscribeTopicEventsAlpha1",
     [](DaprService& service,
        IncomingCall call) { TopicStream::serve(service.api(), std::move(call), service.cancelled_count()); }},
    {"UnsubscribeConfiguration", answering<wire::UnsubscribeConfigurationRequest,
                                           wire::UnsubscribeConfigurationResponse, unsubscribe_configuration>},
    {"UnsubscribeConfigurationAlpha1", answering<wire::UnsubscribeConfigurationRequest,
                                                 wire::UnsubscribeConfigurationResponse, unsubscribe_configuration>},
});
static_assert(std::ranges::is_sorted(kMethods, {}, &Entry::name));

}  // namespace

bool DaprService::serve(net::grpc::IncomingCall& call) {
  std::string_view name = call.method();
  if (!name.starts_with(kService)) return false;
  name.remove_prefix(kService.size());
  const auto found = std::ranges::lower_bound(kMethods, name, {}, &Entry::name);
  if (found == kMethods.end() || found->name != name) return false;
  found->serve(*this, std::move(call));
  return true;
}

}  // namespace tandem::api::grpc
