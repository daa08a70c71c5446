// /v1.0/state: wire to StateService and back.
//
// Called on the worker of `api`, which outlives the exchange. Names and keys come decoded. Never throws.
// Source: https://docs.dapr.io/reference/api/state_api/.
#pragma once

#include <string>
#include <string_view>

#include "api/http/dapr_api.h"
#include "api/http/reply.h"

namespace tandem::api::http {

// `query` is the request's, without the question mark; it lives as long as the exchange.
void get_state(const ApiOptions& api, SharedExchange exchange, std::string store, std::string key,
               std::string_view query);
void delete_state(const ApiOptions& api, SharedExchange exchange, std::string store, std::string key,
                  std::string_view query);
void save_state(const ApiOptions& api, SharedExchange exchange, std::string store, std::string_view query);
void bulk_get_state(const ApiOptions& api, SharedExchange exchange, std::string store, std::string_view query);
void state_transaction(const ApiOptions& api, SharedExchange exchange, std::string store, std::string_view query);
// No store here can be queried, as no store of Dapr's own outside three databases can: says so by Dapr's error.
void query_state(const ApiOptions& api, SharedExchange exchange, std::string store);

}  // namespace tandem::api::http
