// A line in the log for each call of the gRPC API, as daprd writes it with --enable-api-logging: msg "gRPC API Called",
// and the fields method ("/package.Service/Method"), code, duration (in milliseconds) and useragent.
//
// Told by the door's server of every call's end, those that are passed on and reflection too. Runs on the workers. Its
// lines do not depend on --log-level, as in daprd. A call that shows no API token, where one is asked for, or that
// spec.api takes away, leaves no line there. Source: daprd's getGRPCAPILoggingMiddlewares.
#pragma once

#include <grpcpp/support/status.h>

#include <chrono>

#include "api/grpc/api_options.h"
#include "base/log.h"
#include "net/grpc/server_call.h"

namespace tandem::api::grpc {

class ApiLog final {
 public:
  // `options`, with the logger that they name, outlive it.
  explicit ApiLog(const ApiOptions& options);

  void write(const net::grpc::ServerCall& call, ::grpc::StatusCode code, std::chrono::nanoseconds duration) const;

 private:
  const ApiOptions& api_;
  const Logger log_;
};

}  // namespace tandem::api::grpc
