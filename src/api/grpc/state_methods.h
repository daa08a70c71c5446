// State over gRPC: messages to the requests of blocks/state and back.
//
// Called inside the method of a call, on a thread of gRPC's; `request` and `response` live until the call is answered.
// Source: https://docs.dapr.io/reference/api/state_api/ and the answers of daprd 1.18.
#pragma once

#include "api/grpc/api_options.h"
#include "api/grpc/unary_call.h"
#include "dapr/proto/runtime/v1/state.pb.h"

namespace tandem::api::grpc {

namespace wire = ::dapr::proto::runtime::v1;

// `late` is where completions of the blocks run that come late.
void get_state(const ApiOptions& api, Executor& late, const SharedCall& call, const wire::GetStateRequest& request,
               wire::GetStateResponse& response);
void get_bulk_state(const ApiOptions& api, Executor& late, const SharedCall& call,
                    const wire::GetBulkStateRequest& request, wire::GetBulkStateResponse& response);
void save_state(const ApiOptions& api, Executor& late, const SharedCall& call, const wire::SaveStateRequest& request);
void delete_state(const ApiOptions& api, Executor& late, const SharedCall& call,
                  const wire::DeleteStateRequest& request);
void delete_bulk_state(const ApiOptions& api, Executor& late, const SharedCall& call,
                       const wire::DeleteBulkStateRequest& request);
void execute_transaction(const ApiOptions& api, Executor& late, const SharedCall& call,
                         const wire::ExecuteStateTransactionRequest& request);
// Deprecated in Dapr, and refused as daprd refuses it on a store that cannot.
void query_state(const ApiOptions& api, Executor& late, const SharedCall& call, const wire::QueryStateRequest& request);

}  // namespace tandem::api::grpc
