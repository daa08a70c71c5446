// Collecting a request body whose size is limited, for the routes that need all of it.
//
// Worker of the exchange. A body that has arrived already is handed over in place, without a copy.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

#include "api/http/reply.h"
#include "base/result.h"

namespace tandem::api::http {

// The body, or why there is none: kResourceExhausted "stream too large" over the limit, otherwise what the source said.
// The view lives until the handler returns.
using BodyHandler = std::move_only_function<void(SharedExchange, Result<std::string_view>)>;

void collect_body(SharedExchange exchange, std::size_t limit, BodyHandler done);

// The Content-Length is over the limit; a body without one announces nothing.
bool announces_more_than(net::Headers headers, std::size_t limit);

}  // namespace tandem::api::http
