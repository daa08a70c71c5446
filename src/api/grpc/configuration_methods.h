// Configuration over gRPC: messages to the requests of blocks/configuration and back.
//
// Called inside the method of a call, on a thread of gRPC's; `request` and `response` live until the call is answered.
// Source: https://docs.dapr.io/reference/api/configuration_api/ and the answers of daprd 1.18.
#pragma once

#include "api/grpc/api_options.h"
#include "api/grpc/unary_call.h"
#include "dapr/proto/runtime/v1/configuration.pb.h"

namespace tandem::api::grpc {

namespace wire = ::dapr::proto::runtime::v1;

// `late` is where completions of the block run that come late.
void get_configuration(const ApiOptions& api, Executor& late, const SharedCall& call,
                       const wire::GetConfigurationRequest& request, wire::GetConfigurationResponse& response);
// Deprecated in Dapr: a client ends its stream. Ends any subscription of the app, one of HTTP too. As in daprd the
// store that the request names does not count, and an unknown id is no error of the call.
void unsubscribe_configuration(const ApiOptions& api, Executor& late, const SharedCall& call,
                               const wire::UnsubscribeConfigurationRequest& request,
                               wire::UnsubscribeConfigurationResponse& response);

// Items as a message has them.
template <class Map>
void fill_items(const configuration::Items& items, Map& out) {
  for (const auto& [key, item] : items) {
    auto& message = out[key];
    message.set_value(item.value);
    message.set_version(item.version);
    message.mutable_metadata()->insert(item.metadata.begin(), item.metadata.end());
  }
}

}  // namespace tandem::api::grpc
