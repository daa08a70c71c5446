// /v1.0/bindings/{name}: wire to BindingService and back.
//
// Called on the worker of `api`, which outlives the exchange. The name comes decoded. Never throws.
// Source: https://docs.dapr.io/reference/api/bindings_api/ and daprd 1.18.
#pragma once

#include <string>

#include "api/http/dapr_api.h"
#include "api/http/reply.h"

namespace tandem::api::http {

// The data go to the binding as JSON, as Go writes it. Metadata of the answer come back as headers
// "metadata.<name>", also with a failure that has some; no data at all are a 204.
void invoke_binding(const ApiOptions& api, SharedExchange exchange, std::string name);

}  // namespace tandem::api::http
