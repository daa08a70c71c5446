#include "api/http/secret_routes.h"

#include <utility>

#include "api/http/target.h"
#include "base/json.h"

namespace tandem::api::http {

void get_secret(const ApiOptions& api, SharedExchange exchange, std::string store, std::string name,
                std::string_view query) {
  const SharedExchange held = exchange;
  api.secrets.get({held->context(), api.worker}, store, std::move(name), query_metadata(query),
                  [exchange = std::move(exchange)](const Result<secrets::Secret>& secret) {
                    if (!secret) return reply_error(*exchange, secret.error());
                    std::string body;
                    append_json_map(body, *secret);
                    body += '\n';
                    reply_json(*exchange, 200, body);
                  });
}

void bulk_get_secrets(const ApiOptions& api, SharedExchange exchange, std::string store, std::string_view query) {
  const SharedExchange held = exchange;
  api.secrets.bulk_get({held->context(), api.worker}, store, query_metadata(query),
                       [exchange = std::move(exchange)](const Result<secrets::Secrets>& all) {
                         if (!all) return reply_error(*exchange, all.error());
                         std::string body = "{";
                         for (const auto& [name, secret] : *all) {
                           if (body.size() > 1) body += ',';
                           append_json_string(body, name);
                           body += ':';
                           append_json_map(body, secret);
                         }
                         body += "}\n";
                         reply_json(*exchange, 200, body);
                       });
}

}  // namespace tandem::api::http
