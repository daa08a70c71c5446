#include "net/grpc/passing_service.h"

#include <grpcpp/support/status.h>

#include <string_view>

#include "net/grpc/passed_call.h"

namespace tandem::net::grpc {

::grpc::ServerGenericBidiReactor* PassingService::CreateReactor(::grpc::GenericCallbackServerContext* server) {
  const auto callee = callee_of(*server);
  if (!callee) {
    return refuse_call({::grpc::StatusCode::UNKNOWN,
                        "failed to proxy request: required metadata dapr-callee-app-id or dapr-app-id not found"});
  }
  // A peer whose name resolution is out of date must not find another app here.
  if (callee->substr(0, callee->find('.')) != app_id_) {
    return refuse_call({::grpc::StatusCode::UNKNOWN, "couldn't find service: " + std::string(*callee)});
  }
  return pass_call(*server, app_id_, router_, {.caller = "", .cancelled = cancelled_});
}

}  // namespace tandem::net::grpc
