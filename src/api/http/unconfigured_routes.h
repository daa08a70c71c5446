// The blocks of Dapr that are not configured here: each answers as daprd does when no component of its kind is loaded.
//
// Worker of the exchange, never throws.
#pragma once

#include <string>

#include "api/http/dapr_api.h"
#include "api/http/reply.h"
#include "api/http/router.h"

namespace tandem::api::http {

// Answers one of the routes from Route::kLock to Route::kDeleteJob; `name` is what the path captures, decoded.
void answer_unconfigured(const ApiOptions& api, SharedExchange exchange, Route route, std::string name);

}  // namespace tandem::api::http
