// InvokeService to an app that speaks gRPC: the message goes on to its AppCallback.OnInvoke as it is, and its answer,
// status, details and metadata come back.
//
// The caller's policies for `target`, the app as the client names it, stand around it: a retry is one more OnInvoke.
//
// Called inside the method of a call. `response` lives until the call is answered.
#pragma once

#include <string>
#include <string_view>

#include "api/grpc/api_options.h"
#include "api/grpc/unary_call.h"
#include "dapr/proto/common/v1/common.pb.h"

namespace tandem::api::grpc {

// `method` is that of `message`, checked and cleaned.
void invoke_grpc_app(const ApiOptions& api, const net::grpc::CallRoute& route, const SharedCall& call,
                     std::string_view target, const ::dapr::proto::common::v1::InvokeRequest& message,
                     const std::string& method, ::dapr::proto::common::v1::InvokeResponse& response);

}  // namespace tandem::api::grpc
