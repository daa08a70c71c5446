// What Dapr calls the route that a request took: "state/{storeName}/{key}". Access rules and messages name it.
//
// Plain functions, any thread, never throw.
#pragma once

#include <string>
#include <string_view>

#include "api/http/router.h"
#include "config/api_access.h"

namespace tandem::api::http {

// Whether the rules leave the route of this request there.
bool is_allowed(const config::ApiAccess& access, Route route, const Target& target);

// What Dapr calls the segments that a Match captures: "storeName", "key", "*".
std::string_view name_parameter(Route route);
std::string_view item_parameter(Route route);

}  // namespace tandem::api::http
