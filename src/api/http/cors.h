// Cross-origin requests, as daprd's --allowed-origins: off while nothing is allowed.
//
// Same worker as the exchange; never fails.
// Source: https://fetch.spec.whatwg.org/#http-cors-protocol.
#pragma once

#include <memory>
#include <string_view>

#include "net/http.h"

namespace tandem::api::http {

// `allowed`: "*", or origins with commas between. A "*" inside an origin stands for any text, once.
bool is_origin_allowed(std::string_view allowed, std::string_view origin);

// A preflight request: OPTIONS with Access-Control-Request-Method.
bool is_preflight(const net::RequestHead& head);
void answer_preflight(net::Exchange& exchange, std::string_view allowed);

// The exchange, whose answer will carry the headers that let the caller's page read it. `allowed` outlives it.
std::unique_ptr<net::Exchange> with_cors(std::unique_ptr<net::Exchange> exchange, std::string_view allowed);

}  // namespace tandem::api::http
