// SubscribeConfiguration: a client's stream of updates, for as long as it stays.
//
// The first message has the id of the subscription, each further one an update. It ends with OK when the subscription
// is ended or the process stops. Called inside the method of a call, on a thread of gRPC's. Source:
// https://docs.dapr.io/reference/api/configuration_api/ and the answers of daprd 1.18.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <string_view>

#include "api/grpc/api_options.h"
#include "dapr/proto/runtime/v1/configuration.pb.h"

namespace tandem::api::grpc {

namespace wire = ::dapr::proto::runtime::v1;

// The reactor of a call of `method`, which is refused where rules or the token say so. Updates come from `late`.
::grpc::ServerWriteReactor<wire::SubscribeConfigurationResponse>* subscribe_configuration(
    const ApiOptions& api, Executor& late, ::grpc::CallbackServerContext& server, std::string_view method,
    const wire::SubscribeConfigurationRequest& request);

}  // namespace tandem::api::grpc
