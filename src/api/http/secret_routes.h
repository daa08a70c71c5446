// /v1.0/secrets: wire to SecretService and back.
//
// Called on the worker of `api`, which outlives the exchange. Names come decoded. Never throws.
// Source: https://docs.dapr.io/reference/api/secrets_api/.
#pragma once

#include <string>
#include <string_view>

#include "api/http/dapr_api.h"
#include "api/http/reply.h"

namespace tandem::api::http {

// `query` is the request's, without the question mark.
void get_secret(const ApiOptions& api, SharedExchange exchange, std::string store, std::string name,
                std::string_view query);
void bulk_get_secrets(const ApiOptions& api, SharedExchange exchange, std::string store, std::string_view query);

}  // namespace tandem::api::http
