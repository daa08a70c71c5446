// The only place where an Error becomes a gRPC status: code, message, and Dapr's google.rpc details (ErrorInfo of
// domain dapr.io, ResourceInfo, BadRequest, Help) in grpc-status-details-bin.
//
// Plain functions, any thread, never throw. Source: the answers of daprd 1.18.
#pragma once

#include <grpcpp/support/status.h>

#include <string_view>

#include "base/error.h"
#include "blocks/error_details.h"

namespace tandem::api::grpc {

::grpc::Status to_status(const Error& error, const ErrorSite& site = {});

// What daprd makes of an HTTP status (of a called app, of its own 401); OK for 2xx. `detail` goes, cut short, into the
// ErrorInfo.
::grpc::Status status_of_http(int http_status, std::string_view detail);

// Errors that only this door finds, worded as Dapr words them. An invocation's code is always INTERNAL.
Error invoke_failed(std::string_view app_id, std::string_view cause);

}  // namespace tandem::api::grpc
