#include "blocks/invoke/refusal.h"

#include <array>

#include "base/json.h"

namespace tandem::invoke {

std::string refusal_body(std::string_view app_id, std::string_view cause) {
  std::string message = "failed to invoke, id: ";
  message.append(app_id).append(", err: ").append(cause);
  std::string body = R"({"errorCode":"ERR_DIRECT_INVOKE","message":)";
  append_json_string(body, message);
  return body + "}";
}

void refuse(net::Exchange& exchange, std::string_view app_id, std::string_view cause) {
  const std::array headers = {net::Header{"Content-Type", "application/json"}};
  exchange.respond(500, headers, refusal_body(app_id, cause));
}

}  // namespace tandem::invoke
