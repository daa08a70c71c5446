// The blocks of Dapr that are not configured here: each answers as daprd does when no component of its kind is loaded.
//
// Any thread, never throws.
#pragma once

#include <string_view>

#include "api/http/reply.h"
#include "api/http/router.h"

namespace tandem::api::http {

// The error for one of the routes from Route::kSecrets to Route::kDeleteJob; `name` is what the path captures, decoded.
Error unconfigured_error(Route route, std::string_view name);

}  // namespace tandem::api::http
