// InvokeService: service invocation by message, mapped to the HTTP that the called app speaks, as daprd maps it.
//
// Called inside the method of a call, on a thread of gRPC's; the app is called on a worker. `request` and `response`
// live until the call is answered. Source: https://docs.dapr.io/reference/api/service_invocation_api/ and daprd 1.18.
#pragma once

#include <grpcpp/server_context.h>

#include <cstddef>

#include "api/grpc/api_options.h"
#include "api/grpc/unary_call.h"
#include "dapr/proto/runtime/v1/invoke.pb.h"

namespace tandem::api::grpc {

namespace wire = ::dapr::proto::runtime::v1;

// The app is called on worker number `worker`.
void invoke_service(const ApiOptions& api, std::size_t worker, const SharedCall& call,
                    const wire::InvokeServiceRequest& request, ::dapr::proto::common::v1::InvokeResponse& response);

}  // namespace tandem::api::grpc
