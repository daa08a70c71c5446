// Health, metadata and shutdown: what the Dapr API says about the process itself.
//
// Called on the worker of `api`, which outlives the exchange. Never throws.
// Source: https://docs.dapr.io/reference/api/health_api/ and https://docs.dapr.io/reference/api/metadata_api/.
#pragma once

#include <string>
#include <string_view>

#include "api/http/dapr_api.h"
#include "api/http/reply.h"

namespace tandem::api::http {

void answer_healthz(const ApiOptions& api, net::Exchange& exchange, std::string_view query);
void answer_outbound_healthz(const ApiOptions& api, SharedExchange exchange);
void answer_metadata(const ApiOptions& api, net::Exchange& exchange);
void put_label(const ApiOptions& api, SharedExchange exchange, std::string key);
void shut_down(const ApiOptions& api, net::Exchange& exchange);

// Dapr's document, as GET /v1.0/metadata answers it.
std::string metadata_json(std::string_view app_id, const AppMetadata& metadata, const Metadata& labels);

}  // namespace tandem::api::http
