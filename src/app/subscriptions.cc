#include "app/subscriptions.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <utility>

#include "app/ask_app.h"

namespace tandem::app {
namespace {

namespace json = boost::json;

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

int number_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_int64() ? static_cast<int>(value->get_int64()) : 0;
}

const json::object* object_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value ? value->if_object() : nullptr;
}

Result<config::Subscription> parse_entry(const json::value& entry, const std::string& where) {
  const json::object* object = entry.if_object();
  if (!object) return fail(Code::kInvalidArgument, where + " is not an object");
  config::Subscription subscription;
  subscription.pubsub_name = text_of(*object, "pubsubname");
  if (subscription.pubsub_name.empty()) subscription.pubsub_name = text_of(*object, "pubsubName");
  subscription.topic = text_of(*object, "topic");
  subscription.dead_letter_topic = text_of(*object, "deadLetterTopic");
  subscription.default_path = text_of(*object, "route");
  if (const json::object* routes = object_of(*object, "routes")) {
    if (std::string path = text_of(*routes, "default"); !path.empty()) subscription.default_path = std::move(path);
    if (const json::value* rules = routes->if_contains("rules"); rules && rules->is_array()) {
      for (const json::value& rule : rules->get_array()) {
        const json::object* fields = rule.if_object();
        if (!fields) return fail(Code::kInvalidArgument, where + " has a rule that is not an object");
        subscription.rules.push_back({text_of(*fields, "match"), text_of(*fields, "path")});
      }
    }
  }
  if (const json::object* metadata = object_of(*object, "metadata")) {
    for (const auto& [name, value] : *metadata) {
      if (value.is_string()) subscription.metadata.emplace(name, std::string(value.get_string()));
    }
  }
  if (const json::object* bulk = object_of(*object, "bulkSubscribe")) {
    const json::value* enabled = bulk->if_contains("enabled");
    subscription.bulk.enabled = enabled && enabled->is_bool() && enabled->get_bool();
    subscription.bulk.max_messages_count = number_of(*bulk, "maxMessagesCount");
    subscription.bulk.max_await_duration_ms = number_of(*bulk, "maxAwaitDurationMs");
  }
  return subscription;
}

}  // namespace

Result<std::vector<config::Subscription>> parse_subscriptions(std::string_view text, const std::string& app_id) {
  std::vector<config::Subscription> subscriptions;
  if (text.empty()) return subscriptions;
  boost::system::error_code error;
  const json::value parsed = json::parse(text, error);
  const std::string source = fmt::format("the answer of app {} to GET /dapr/subscribe", app_id);
  if (error) return fail(Code::kInvalidArgument, source + " is not JSON");
  if (parsed.is_null()) return subscriptions;
  const json::array* entries = parsed.if_array();
  if (!entries) return fail(Code::kInvalidArgument, source + " is not a list");
  for (std::size_t i = 0; i < entries->size(); ++i) {
    auto subscription = parse_entry((*entries)[i], fmt::format("entry {} of {}", i + 1, source));
    if (!subscription) return fail(std::move(subscription.error()));
    subscriptions.push_back(std::move(*subscription));
  }
  return subscriptions;
}

void fetch_subscriptions(net::Handler& handler, const std::string& app_id, std::chrono::milliseconds timeout,
                         Completion<std::vector<config::Subscription>> done) {
  ask_app(handler, app_id, "/dapr/subscribe", timeout,
          [app_id, done = std::move(done)](Result<CollectedAnswer> answer) mutable {
            if (!answer) return done(fail(std::move(answer.error())));
            if (answer->status == 404 || answer->status == 204) return done(std::vector<config::Subscription>{});
            if (answer->status != 200) {
              return done(fail(Code::kUnavailable,
                               fmt::format("app {} answered {} to GET /dapr/subscribe", app_id, answer->status)));
            }
            // An app that answers every path with a page of its own declares nothing.
            const std::size_t start = answer->body.find_first_not_of(" \t\r\n");
            if (start == std::string::npos || answer->body[start] != '[') {
              return done(std::vector<config::Subscription>{});
            }
            done(parse_subscriptions(answer->body, app_id));
          });
}

}  // namespace tandem::app
