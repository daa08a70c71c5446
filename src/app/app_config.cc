#include "app/app_config.h"

#include <boost/json.hpp>
#include <utility>

#include "app/ask_app.h"

namespace tandem::app {
namespace {

namespace json = boost::json;

}  // namespace

Result<AppConfig> parse_app_config(std::string_view text) {
  boost::system::error_code error;
  const json::value parsed = json::parse(text, error);
  const json::object* object = error ? nullptr : parsed.if_object();
  if (!object) return fail(Code::kInvalidArgument, "the app's answer to GET /dapr/config is no JSON object");
  AppConfig config;
  if (const json::value* entities = object->if_contains("entities"); entities && entities->is_array()) {
    for (const json::value& entity : entities->get_array()) {
      if (entity.is_string()) config.entities.emplace_back(entity.get_string());
    }
  }
  return config;
}

void fetch_app_config(net::Handler& handler, const std::string& app_id, std::chrono::milliseconds timeout,
                      Completion<AppConfig> done) {
  ask_app(handler, app_id, "/dapr/config", timeout, [done = std::move(done)](Result<CollectedAnswer> answer) mutable {
    if (!answer) return done(fail(std::move(answer.error())));
    if (answer->status != 200) return done(AppConfig{});
    done(parse_app_config(answer->body));
  });
}

}  // namespace tandem::app
