// Cross-origin requests, as daprd's --allowed-origins: off while nothing is allowed.
//
// Same worker as the exchange; never fails.
// Source: https://fetch.spec.whatwg.org/#http-cors-protocol.
#pragma once

#include <string_view>
#include <vector>

#include "net/http.h"

namespace tandem::api::http {

// `allowed`: "*", or origins with commas between. A "*" inside an origin stands for any text, once.
bool is_origin_allowed(std::string_view allowed, std::string_view origin);

// A preflight request: OPTIONS with Access-Control-Request-Method.
bool is_preflight(const net::RequestHead& head);
void answer_preflight(net::Exchange& exchange, std::string_view allowed);

// Adds to an answer what lets the caller's page read it. The views are those of `allowed` and `request`.
void append_cors(std::vector<net::Header>& headers, const net::RequestHead& request, std::string_view allowed);

}  // namespace tandem::api::http
