// What Dapr calls the route that a request took: "state/{storeName}/{key}". Access rules name it.
//
// Plain functions, any thread, never throw.
#pragma once

#include "api/http/router.h"
#include "config/api_access.h"

namespace tandem::api::http {

// Whether the rules leave the route of this request there.
bool is_allowed(const config::ApiAccess& access, Route route, const Target& target);

}  // namespace tandem::api::http
