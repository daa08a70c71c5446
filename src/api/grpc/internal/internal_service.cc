#include "api/grpc/internal/internal_service.h"

#include <fmt/format.h>

#include <utility>

#include "api/grpc/bounded_body.h"
#include "api/grpc/call_metadata.h"
#include "api/grpc/unary_call.h"
#include "net/in_process.h"

namespace tandem::api::grpc {
namespace {

::grpc::Status status_of(const Error& error) {
  return {static_cast<::grpc::StatusCode>(static_cast<int>(error.code)), error.message};
}

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
    call_->answer([&](::grpc::CallbackServerContext&) {
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

// Lives until gRPC is done with it.
class RefusedStream final
    : public ::grpc::ServerBidiReactor<peer::InternalInvokeRequestStream, peer::InternalInvokeResponseStream> {
 public:
  explicit RefusedStream(::grpc::Status status) { Finish(std::move(status)); }

 private:
  void OnDone() override { delete this; }
};

}  // namespace

Result<LocalApp> InternalService::local_app() {
  const auto callee = options_.invoke.find(options_.app_id);
  if (!callee || callee->elsewhere) return fail(Code::kInternal, "app channel is not initialized");
  const std::size_t worker = turn_.fetch_add(1, std::memory_order_relaxed) % options_.workers.size();
  return LocalApp{*options_.workers[worker], callee->endpoint->handler(worker), std::string(callee->authority),
                  callee->method_in, options_.max_message_bytes};
}

::grpc::ServerUnaryReactor* InternalService::CallLocal(Context* server, const peer::InternalInvokeRequest* request,
                                                       peer::InternalInvokeResponse* response) {
  CallContext context = context_of(*server, caller_of(*request));
  const SharedCall call = UnaryCall::make(*server, context, cancelled_);
  const auto app = local_app();
  if (!app) {
    call->fail(status_of(app.error()));
    return call.get();
  }
  if (!request->has_message()) {
    call->fail({::grpc::StatusCode::INVALID_ARGUMENT, "parsing InternalInvokeRequest error: field Message is nil"});
    return call.get();
  }
  auto http = request_of(*request, app->authority, app->method_in);
  if (!http) {
    call->fail(status_of(http.error()));
    return call.get();
  }
  auto sink = std::make_unique<WholeAnswer>(call, options_.max_message_bytes, *response);
  app->worker.post([&handler = app->handler, http = std::move(*http), body = request->message().data().value(),
                    context = std::move(context), sink = std::move(sink)]() mutable {
    handler.handle(
        net::make_in_process_exchange(std::move(http), std::move(body), std::move(context), std::move(sink)));
  });
  return call.get();
}

::grpc::ServerBidiReactor<peer::InternalInvokeRequestStream, peer::InternalInvokeResponseStream>*
InternalService::CallLocalStream(Context* server) {
  auto app = local_app();
  if (!app) return new RefusedStream(status_of(app.error()));
  const auto call = StreamCall::make(*server, context_of(*server, {}), std::move(*app), cancelled_);
  call->begin();
  return call.get();
}

}  // namespace tandem::api::grpc
