#include "api/http/reply.h"

#include <array>
#include <string>

namespace tandem::api::http {

void reply_empty(net::Exchange& exchange) { exchange.respond(204, {}, {}); }

void reply_json(net::Exchange& exchange, int status, std::string_view body) {
  const std::array headers = {net::Header{"Content-Type", "application/json"}};
  exchange.respond(status, headers, body);
}

void reply_text(net::Exchange& exchange, int status, std::string_view text) {
  const std::array headers = {net::Header{"Content-Type", "text/plain; charset=utf-8"},
                              net::Header{"X-Content-Type-Options", "nosniff"}};
  exchange.respond(status, headers, std::string(text) + "\n");
}

void reply_error(net::Exchange& exchange, const Error& error, const ErrorSite& site) {
  const WireError wire = to_wire(error, site);
  reply_json(exchange, wire.status, wire.body);
}

}  // namespace tandem::api::http
