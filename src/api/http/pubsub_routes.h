// /v1.0/publish and /v1.0/publish/bulk: wire to PubsubService and back.
//
// Called on the worker of `api`, which outlives the exchange. Names and topics come decoded. Never throws.
// Source: https://docs.dapr.io/reference/api/pubsub_api/.
#pragma once

#include <string>
#include <string_view>

#include "api/http/dapr_api.h"
#include "api/http/reply.h"

namespace tandem::api::http {

void publish(const ApiOptions& api, SharedExchange exchange, std::string pubsub, std::string topic,
             std::string_view query);
void publish_bulk(const ApiOptions& api, SharedExchange exchange, std::string pubsub, std::string topic,
                  std::string_view query);

}  // namespace tandem::api::http
