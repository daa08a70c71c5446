// A line in the log for each call of the gRPC API, as daprd writes it with --enable-api-logging: msg "gRPC API Called",
// and the fields method ("/package.Service/Method"), code, duration (in milliseconds) and useragent.
//
// An interceptor of the door's server, so that calls that are passed on and reflection are among them; without it the
// server has none. Runs on gRPC's threads, when the status of a call is sent. Its lines do not depend on --log-level,
// as in daprd. A call that shows no API token, where one is asked for, or that spec.api takes away, leaves no line
// there. Source: daprd's getGRPCAPILoggingMiddlewares.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include "api/grpc/api_options.h"
#include "base/log.h"

namespace tandem::api::grpc {

class ApiLog final : public ::grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  // `options`, with the logger that they name, outlive it.
  explicit ApiLog(const ApiOptions& options);

 private:
  class Call;
  ::grpc::experimental::Interceptor* CreateServerInterceptor(::grpc::experimental::ServerRpcInfo* info) override;

  const ApiOptions& api_;
  const Logger log_;
};

}  // namespace tandem::api::grpc
