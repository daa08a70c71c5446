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

using invoke::CallGuard;
using Ended = Completion<CallGuard::SharedRpcAnswer>;

// One call of the app, and what came of it.
struct Invoked final : CallGuard::RpcAnswer {
  Invoked(const std::shared_ptr<::grpc::Channel>& channel, SharedCall of) : stub(channel), call(std::move(of)) {}
  Outcome outcome() const override {
    if (status.ok()) return Outcome::kSuccess;
    return call->is_over() ? Outcome::kFinalFailure : Outcome::kFailure;
  }

  AppCallback::Stub stub;
  const SharedCall call;
  std::shared_ptr<::grpc::ClientContext> context = std::make_shared<::grpc::ClientContext>();
  InvokeRequest request;
  InvokeResponse response;
  ::grpc::Status status;
  bool called = false;  // else there are no metadata
};

// An answer without a call of the app.
Result<CallGuard::SharedRpcAnswer> refused(const net::grpc::CallRoute& route, const SharedCall& call,
                                           const Error& error) {
  auto answer = std::make_shared<Invoked>(route.channel, call);
  answer->status = to_status(error);
  return answer;
}

void begin(const std::shared_ptr<Invoked>& invoked, const std::shared_ptr<net::grpc::CallGate>& gate, Ended ended) {
  invoked->called = true;
  invoked->call->wait_for(invoked->context);
  // gRPC's callbacks are copied.
  auto shared = std::make_shared<Ended>(std::move(ended));
  invoked->stub.async()->OnInvoke(invoked->context.get(), &invoked->request, &invoked->response,
                                  [invoked, gate, shared](::grpc::Status status) {
                                    if (gate) gate->leave();
                                    invoked->status = std::move(status);
                                    (*shared)(CallGuard::SharedRpcAnswer(invoked));
                                  });
}

// What each attempt has.
struct Onward {
  net::grpc::MetadataPairs metadata;
  InvokeRequest message;
};

void attempt(const net::grpc::CallRoute& route, const SharedCall& call, SteadyTime deadline, const Onward& onward,
             Ended ended) {
  if (route.is_healthy && !route.is_healthy()) {
    return ended(refused(
        route, call, invoke_failed(route.app_id, "rpc error: code = Internal desc = app is not in a healthy state")));
  }
  auto invoked = std::make_shared<Invoked>(route.channel, call);
  net::grpc::add_metadata(*invoked->context, onward.metadata);
  net::grpc::set_deadline(*invoked->context, deadline);
  invoked->request = onward.message;
  if (!route.gate) return begin(invoked, nullptr, std::move(ended));
  auto shared = std::make_shared<Ended>(std::move(ended));
  Task task = [invoked, gate = route.gate, shared] { begin(invoked, gate, std::move(*shared)); };
  net::grpc::CallGate::Place place = 0;
  if (!route.gate->enter(task, place)) {
    (*shared)(refused(route, call, {Code::kResourceExhausted, "", "too many calls wait for the app " + route.app_id}));
  } else if (place != 0) {
    call->wait_until_given_up([gate = route.gate, place] { gate->give_up(place); });
  }
}

}  // namespace

void invoke_grpc_app(const ApiOptions& api, const net::grpc::CallRoute& route, const SharedCall& call,
                     std::string_view target, const InvokeRequest& message, const std::string& method,
                     InvokeResponse& response) {
  Onward onward{net::grpc::onward_metadata(call->server(), route, api.app_id), message};
  onward.message.set_method(method);
  api.invoke.pass(
      call->context(), target, method,
      [&route, call, onward = std::move(onward)](SteadyTime deadline, Ended ended) {
        attempt(route, call, deadline, onward, std::move(ended));
      },
      [call, &response](Result<CallGuard::SharedRpcAnswer> answer) {
        if (!answer) {
          call->fail({static_cast<::grpc::StatusCode>(answer.error().code), answer.error().message});
          return;
        }
        auto& invoked = static_cast<Invoked&>(**answer);
        call->answer([&](AnswerMetadata& metadata) {
          if (invoked.called) metadata = net::grpc::answer_metadata(*invoked.context);
          response = std::move(invoked.response);
          return invoked.status;
        });
      });
}

}  // namespace tandem::api::grpc
