// The few shapes of answers that the Dapr API gives. Worker of the exchange; never fails.
#pragma once

#include <memory>
#include <string_view>

#include "api/http/error_map.h"
#include "net/http.h"

namespace tandem::api::http {

// Once a route has taken an exchange over, the pending operation and the stack frame that started it share it: a
// service may look at the call's context after it completed in place.
using SharedExchange = std::shared_ptr<net::Exchange>;

// 204.
void reply_empty(net::Exchange& exchange);
void reply_json(net::Exchange& exchange, int status, std::string_view body);
// As Go's http.Error writes it: plain text and a line end.
void reply_text(net::Exchange& exchange, int status, std::string_view text);
void reply_error(net::Exchange& exchange, const Error& error, const ErrorSite& site = {});

}  // namespace tandem::api::http
