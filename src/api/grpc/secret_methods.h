// Secrets over gRPC: messages to the requests of blocks/secrets and back.
//
// Called inside the method of a call, on a thread of gRPC's; `request` and `response` live until the call is answered.
// Source: https://docs.dapr.io/reference/api/secrets_api/ and the answers of daprd 1.18.
#pragma once

#include "api/grpc/api_options.h"
#include "api/grpc/unary_call.h"
#include "dapr/proto/runtime/v1/secret.pb.h"

namespace tandem::api::grpc {

namespace wire = ::dapr::proto::runtime::v1;

// `late` is where completions of the block run that come late.
void get_secret(const ApiOptions& api, Executor& late, const SharedCall& call, const wire::GetSecretRequest& request,
                wire::GetSecretResponse& response);
void get_bulk_secret(const ApiOptions& api, Executor& late, const SharedCall& call,
                     const wire::GetBulkSecretRequest& request, wire::GetBulkSecretResponse& response);

}  // namespace tandem::api::grpc
