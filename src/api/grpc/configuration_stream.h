// SubscribeConfiguration: a client's stream of updates, for as long as it stays.
//
// The first message has the id of the subscription, each further one an update. It ends with OK when the subscription
// is ended or the process stops. On the worker of the call's connection. Source:
// https://docs.dapr.io/reference/api/configuration_api/ and the answers of daprd 1.18.
#pragma once

#include <atomic>
#include <cstddef>

#include "api/grpc/api_options.h"
#include "net/grpc/server_call.h"

namespace tandem::api::grpc {

// Serves a call, which is refused where rules or the token say so. `cancelled` counts the calls that ended so, and
// lives as long as the server.
void subscribe_configuration(const ApiOptions& api, net::grpc::IncomingCall call, std::atomic<std::size_t>& cancelled);

}  // namespace tandem::api::grpc
