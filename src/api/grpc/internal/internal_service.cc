#include "api/grpc/internal/internal_service.h"

#include <fmt/format.h>

#include <memory>
#include <string_view>
#include <utility>

#include "api/grpc/bounded_body.h"
#include "api/grpc/call_metadata.h"
#include "api/grpc/unary_call.h"
#include "net/grpc/passed_call.h"
#include "net/in_process.h"

namespace tandem::api::grpc {
namespace {

using net::grpc::status_of;

constexpr std::string_view kService = "/dapr.proto.internals.v1.ServiceInvocation/";

// The app's answer on its way into that of CallLocal.
class WholeAnswer final : public net::ResponseSink {
 public:
  WholeAnswer(SharedCall call, std::size_t limit, peer::InternalInvokeResponse& response)
      : call_(std::move(call)), response_(response), body_(limit) {}

  void on_head(int status, net::Headers headers) override { fill_response(status, headers, std::nullopt, answer_); }
  void on_body(std::string_view piece, Completion<void> resume) override {
    body_.add(piece);
    resume({});
  }
  void on_end(net::Headers) override {
    call_->answer([&](AnswerMetadata&) {
      if (::grpc::Status too_large = body_.status(); !too_large.ok()) return too_large;
      answer_.mutable_message()->mutable_data()->set_value(body_.take());
      response_ = std::move(answer_);
      return ::grpc::Status::OK;
    });
  }
  void on_error(Error error) override {
    call_->fail({::grpc::StatusCode::INTERNAL, fmt::format("error invoking app channel: {}", error.message)});
  }

 private:
  const SharedCall call_;
  peer::InternalInvokeResponse& response_;  // touched only once the answer is claimed
  peer::InternalInvokeResponse answer_;
  BoundedBody body_;
};

}  // namespace

Result<LocalApp> InternalService::local_app() {
  const auto callee = options_.invoke.find(options_.app_id);
  if (!callee || callee->elsewhere) return fail(Code::kInternal, "app channel is not initialized");
  const std::size_t worker = turn_.fetch_add(1, std::memory_order_relaxed) % options_.workers.size();
  return LocalApp{*options_.workers[worker], callee->endpoint->handler(worker), std::string(callee->authority),
                  callee->method_in, options_.max_message_bytes};
}

// A request and its answer in a message each.
class InternalService::LocalCall final : public UnaryCall {
 public:
  LocalCall(InternalService& home, IncomingCall incoming)
      : UnaryCall(std::move(incoming), home.cancelled_), home_(home) {}

 private:
  ::google::protobuf::MessageLite& request_message() override { return request_; }
  const ::google::protobuf::MessageLite& response_message() const override { return response_; }
  void run() override {
    set_context(context_of(server().headers(), server().deadline(), caller_of(request_)));
    const auto app = home_.local_app();
    if (!app) {
      fail(status_of(app.error()));
      return;
    }
    if (!request_.has_message()) {
      fail({::grpc::StatusCode::INVALID_ARGUMENT, "parsing InternalInvokeRequest error: field Message is nil"});
      return;
    }
    auto http = request_of(request_, app->authority, app->method_in);
    if (!http) {
      fail(status_of(http.error()));
      return;
    }
    auto sink = std::make_unique<WholeAnswer>(shared_from_this(), home_.options_.max_message_bytes, response_);
    app->worker.post([&handler = app->handler, http = std::move(*http), body = request_.message().data().value(),
                      context = context(), sink = std::move(sink)]() mutable {
      handler.handle(
          net::make_in_process_exchange(std::move(http), std::move(body), std::move(context), std::move(sink)));
    });
  }

  InternalService& home_;
  peer::InternalInvokeRequest request_;
  peer::InternalInvokeResponse response_;
};

void InternalService::serve(net::grpc::IncomingCall call) {
  std::string_view method = call.method();
  const bool ours = method.starts_with(kService);
  if (ours) method.remove_prefix(kService.size());
  if (ours && method == "CallLocal") return std::make_shared<LocalCall>(*this, std::move(call))->begin();
  if (ours && method == "CallLocalStream") {
    auto app = local_app();
    if (!app) return net::grpc::refuse_call(std::move(call), status_of(app.error()));
    return StreamCall::serve(std::move(call), std::move(*app), cancelled_);
  }
  if (!ours && others_ != nullptr) return others_->serve(std::move(call));
  const ::grpc::Status unknown(::grpc::StatusCode::UNIMPLEMENTED, fmt::format("unknown method {}", call.method()));
  net::grpc::refuse_call(std::move(call), unknown);
}

}  // namespace tandem::api::grpc
