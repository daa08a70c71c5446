#include "net/grpc/passing_service.h"

#include <grpcpp/support/status.h>

#include <string_view>

#include "net/grpc/passed_call.h"

namespace tandem::net::grpc {

void PassingService::serve(IncomingCall call) {
  const auto callee = callee_of(*call.exchange);
  if (!callee) {
    return refuse_call(std::move(call),
                       {::grpc::StatusCode::UNKNOWN,
                        "failed to proxy request: required metadata dapr-callee-app-id or dapr-app-id not found"});
  }
  // A peer whose name resolution is out of date must not find another app here.
  if (callee->substr(0, callee->find('.')) != app_id_) {
    return refuse_call(std::move(call), {::grpc::StatusCode::UNKNOWN, "couldn't find service: " + *callee});
  }
  pass_call(std::move(call), app_id_, router_, {.caller = "", .cancelled = cancelled_});
}

}  // namespace tandem::net::grpc
