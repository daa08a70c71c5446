// Output bindings over gRPC: a message to a call of blocks/bindings and back.
//
// Called inside the method of a call, on a thread of gRPC's; `request` and `response` live until the call is answered.
// Source: https://docs.dapr.io/reference/api/bindings_api/ and the answers of daprd 1.18.
#pragma once

#include "api/grpc/api_options.h"
#include "api/grpc/unary_call.h"
#include "dapr/proto/runtime/v1/binding.pb.h"

namespace tandem::api::grpc {

namespace wire = ::dapr::proto::runtime::v1;

// `late` is where completions of the block run that come late. The call's own metadata are the binding's too, where the
// message has none of that name; those of the answer are in the message and, as "metadata.<name>", in front of it.
void invoke_binding(const ApiOptions& api, Executor& late, const SharedCall& call,
                    const wire::InvokeBindingRequest& request, wire::InvokeBindingResponse& response);

}  // namespace tandem::api::grpc
