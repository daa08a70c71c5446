// Publishing over gRPC: messages to the requests of blocks/pubsub and back.
//
// Called inside the method of a call, on a thread of gRPC's; `request` and `response` live until the call is answered.
// Source: https://docs.dapr.io/reference/api/pubsub_api/ and the answers of daprd 1.18.
#pragma once

#include "api/grpc/api_options.h"
#include "api/grpc/unary_call.h"
#include "dapr/proto/runtime/v1/pubsub.pb.h"

namespace tandem::api::grpc {

namespace wire = ::dapr::proto::runtime::v1;

// `late` is where completions of the blocks run that come late.
void publish_event(const ApiOptions& api, Executor& late, const SharedCall& call,
                   const wire::PublishEventRequest& request);
// As daprd, it fails as a whole when an entry was not taken.
void bulk_publish_event(const ApiOptions& api, Executor& late, const SharedCall& call,
                        const wire::BulkPublishRequest& request);

}  // namespace tandem::api::grpc
