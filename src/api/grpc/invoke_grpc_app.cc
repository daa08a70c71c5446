#include "api/grpc/invoke_grpc_app.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string_view>
#include <utility>

#include "api/grpc/error_map.h"
#include "dapr/proto/runtime/v1/appcallback.grpc.pb.h"
#include "net/grpc/passed_call.h"

namespace tandem::api::grpc {
namespace {

using ::dapr::proto::common::v1::InvokeRequest;
using ::dapr::proto::common::v1::InvokeResponse;
using ::dapr::proto::runtime::v1::AppCallback;

struct Invoked {
  explicit Invoked(const std::shared_ptr<::grpc::Channel>& channel) : stub(channel) {}
  AppCallback::Stub stub;
  ::grpc::ClientContext context;
  InvokeRequest request;
  InvokeResponse response;
};

void begin(const std::shared_ptr<Invoked>& invoked, const SharedCall& call, InvokeResponse& response,
           const std::shared_ptr<net::grpc::CallGate>& gate) {
  call->wait_for({invoked, &invoked->context});
  invoked->stub.async()->OnInvoke(&invoked->context, &invoked->request, &invoked->response,
                                  [invoked, call, &response, gate](const ::grpc::Status& status) {
                                    if (gate) gate->leave();
                                    call->answer([&](AnswerMetadata& metadata) {
                                      metadata = net::grpc::answer_metadata(invoked->context);
                                      response = std::move(invoked->response);
                                      return status;
                                    });
                                  });
}

}  // namespace

void invoke_grpc_app(const ApiOptions& api, const net::grpc::CallRoute& route, const SharedCall& call,
                     const InvokeRequest& message, const std::string& method, InvokeResponse& response) {
  if (route.is_healthy && !route.is_healthy()) {
    call->fail(
        to_status(invoke_failed(route.app_id, "rpc error: code = Internal desc = app is not in a healthy state")));
    return;
  }
  auto invoked = std::make_shared<Invoked>(route.channel);
  net::grpc::onward_metadata(call->server(), route, api.app_id, invoked->context);
  net::grpc::set_deadline(invoked->context, call->context().deadline);
  invoked->request = message;
  invoked->request.set_method(method);
  if (!route.gate) return begin(invoked, call, response, nullptr);
  Task task = [invoked, call, &response, gate = route.gate] { begin(invoked, call, response, gate); };
  net::grpc::CallGate::Place place = 0;
  if (!route.gate->enter(task, place)) {
    call->fail(to_status({Code::kResourceExhausted, "", "too many calls wait for the app " + route.app_id}));
  } else if (place != 0) {
    call->wait_until_given_up([gate = route.gate, place] { gate->give_up(place); });
  }
}

}  // namespace tandem::api::grpc
