// Metadata, labels and shutdown over gRPC.
//
// Called inside the method of a call, on a thread of gRPC's; `request` and `response` live until the call is answered.
// Source: https://docs.dapr.io/reference/api/metadata_api/.
#pragma once

#include "api/grpc/api_options.h"
#include "api/grpc/unary_call.h"
#include "dapr/proto/runtime/v1/metadata.pb.h"

namespace tandem::api::grpc {

namespace wire = ::dapr::proto::runtime::v1;

void get_metadata(const ApiOptions& api, const SharedCall& call, wire::GetMetadataResponse& response);
void set_metadata(const ApiOptions& api, const SharedCall& call, const wire::SetMetadataRequest& request);
void shut_down(const ApiOptions& api, const SharedCall& call);

}  // namespace tandem::api::grpc
