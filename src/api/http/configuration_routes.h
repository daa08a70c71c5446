// /v1.0/configuration, also under /v1.0-alpha1: wire to ConfigurationService and back, and updates to the app.
//
// Called on the worker of `api`, which outlives the exchange and every subscription. Names come decoded. Never throws.
// Source: https://docs.dapr.io/reference/api/configuration_api/.
#pragma once

#include <string>
#include <string_view>

#include "api/http/dapr_api.h"
#include "api/http/reply.h"

namespace tandem::api::http {

// `query` is the request's, without the question mark: key=…, once for each; none is all of them.
void get_configuration(const ApiOptions& api, SharedExchange exchange, std::string store, std::string_view query);
// Each change is a POST to /configuration/{store}/{key} of the app.
void subscribe_configuration(const ApiOptions& api, SharedExchange exchange, std::string store, std::string_view query);
void unsubscribe_configuration(const ApiOptions& api, SharedExchange exchange, std::string store, std::string id);

}  // namespace tandem::api::http
