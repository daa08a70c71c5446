#include "api/http/public_door.h"

#include <utility>

#include "api/http/reply.h"
#include "api/http/router.h"
#include "api/http/target.h"

namespace tandem::api::http {
namespace {

// daprd's public port has these, whoever asks and whatever spec.api says, and logs nothing.
ApiOptions opened(ApiOptions options) {
  options.api_token.clear();
  options.allowed_origins.clear();
  options.access = {};
  options.log = nullptr;
  return options;
}

bool is_public(Route route) {
  return route == Route::kHealthz || route == Route::kOutboundHealthz || route == Route::kGetMetadata ||
         route == Route::kPutMetadata;
}

}  // namespace

PublicDoor::PublicDoor(ApiOptions options) : api_(opened(std::move(options))) {}

void PublicDoor::handle(std::unique_ptr<net::Exchange> exchange) {
  const Target target(exchange->head().target);
  if (!is_public(match_route(exchange->head().method, target).route)) {
    return reply_text(*exchange, 404, "404 page not found");
  }
  api_.handle(std::move(exchange));
}

}  // namespace tandem::api::http
