#include "api/http/system_routes.h"

#include <fmt/format.h>

#include <utility>

#include "api/http/body.h"
#include "api/http/target.h"
#include "base/json.h"

namespace tandem::api::http {
namespace {

// Go's omitempty: an empty text or a zero is left out.
void append_member(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  if (out.back() != '{') out += ',';
  append_json_string(out, name);
  out += ':';
  append_json_string(out, value);
}

void append_member(std::string& out, std::string_view name, std::int32_t value) {
  if (value == 0) return;
  if (out.back() != '{') out += ',';
  fmt::format_to(std::back_inserter(out), "\"{}\":{}", name, value);
}

void append_strings(std::string& out, std::string_view name, const std::vector<std::string>& values) {
  if (values.empty()) return;
  fmt::format_to(std::back_inserter(out), ",\"{}\":[", name);
  for (const std::string& value : values) {
    if (out.back() != '[') out += ',';
    append_json_string(out, value);
  }
  out += ']';
}

void append_component(std::string& out, const ComponentInfo& component) {
  if (out.back() != '[') out += ',';
  out += '{';
  append_member(out, "name", component.name);
  append_member(out, "type", component.type);
  append_member(out, "version", component.version);
  append_strings(out, "capabilities", component.capabilities);
  out += '}';
}

void append_subscription(std::string& out, const SubscriptionInfo& subscription) {
  if (out.back() != '[') out += ',';
  out += "{\"pubsubname\":";
  append_json_string(out, subscription.pubsub);
  out += ",\"topic\":";
  append_json_string(out, subscription.topic);
  if (!subscription.metadata.empty()) {
    out += ",\"metadata\":";
    append_json_map(out, subscription.metadata);
  }
  if (!subscription.rules.empty()) {
    out += ",\"rules\":[";
    for (const SubscriptionInfo::Rule& rule : subscription.rules) {
      if (out.back() != '[') out += ',';
      out += '{';
      append_member(out, "match", rule.match);
      append_member(out, "path", rule.path);
      out += '}';
    }
    out += ']';
  }
  out += ",\"deadLetterTopic\":";
  append_json_string(out, subscription.dead_letter_topic);
  out += ",\"type\":";
  append_json_string(out, subscription.type);
  out += '}';
}

void append_connection(std::string& out, const AppConnection& connection) {
  std::string object = "{";
  append_member(object, "port", connection.port);
  append_member(object, "protocol", connection.protocol);
  append_member(object, "channelAddress", connection.channel_address);
  append_member(object, "maxConcurrency", connection.max_concurrency);
  if (connection.health) {
    std::string health = "{";
    append_member(health, "healthCheckPath", connection.health->path);
    append_member(health, "healthProbeInterval", connection.health->interval);
    append_member(health, "healthProbeTimeout", connection.health->timeout);
    append_member(health, "healthThreshold", connection.health->threshold);
    object += (object.size() == 1 ? "\"health\":" : ",\"health\":") + health + "}";
  }
  if (object.size() == 1) return;
  out += ",\"appConnectionProperties\":" + object + "}";
}

}  // namespace

void answer_healthz(const ApiOptions& api, net::Exchange& exchange, std::string_view query) {
  if (const auto unready = api.health.unready(api.app_id); !unready.empty()) {
    reply_error(exchange, {Code::kInternal, "ERR_HEALTH_NOT_READY",
                           fmt::format("dapr is not ready: [{}]", fmt::join(unready, " "))});
    return;
  }
  if (const auto id = query_value(query, "appid"); id && *id != api.app_id) {
    reply_error(exchange, {Code::kInternal, "ERR_HEALTH_APPID_NOT_MATCH", "dapr app-id does not match"});
    return;
  }
  reply_empty(exchange);
}

void answer_outbound_healthz(const ApiOptions& api, SharedExchange exchange) {
  const SharedExchange held = exchange;
  api.health.check_outbound(
      {held->context(), api.worker}, [exchange = std::move(exchange)](const Result<void>& result) {
        if (result) {
          reply_empty(*exchange);
        } else {
          reply_error(*exchange, {Code::kInternal, "ERR_OUTBOUND_HEALTH_NOT_READY", "dapr outbound is not ready"});
        }
      });
}

// A list of objects that have a name and nothing else; left out when it is empty.
void append_names(std::string& out, std::string_view list, const std::vector<std::string>& names) {
  if (names.empty()) return;
  out.append(",\"").append(list).append("\":[");
  for (const std::string& name : names) {
    if (out.back() != '[') out += ',';
    out += '{';
    append_member(out, "name", name);
    out += '}';
  }
  out += ']';
}

std::string metadata_json(std::string_view app_id, const AppMetadata& metadata, const Metadata& labels) {
  std::string out = "{";
  append_member(out, "id", app_id);
  append_member(out, "runtimeVersion", metadata.runtime_version);
  append_strings(out, "enabledFeatures", metadata.enabled_features);
  if (!metadata.components.empty()) {
    out += ",\"components\":[";
    for (const ComponentInfo& component : metadata.components) append_component(out, component);
    out += ']';
  }
  Metadata extended = labels;
  extended.insert_or_assign("daprRuntimeVersion", metadata.runtime_version);
  out += ",\"extended\":";
  append_json_map(out, extended);
  if (!metadata.subscriptions.empty()) {
    out += ",\"subscriptions\":[";
    for (const SubscriptionInfo& subscription : metadata.subscriptions) append_subscription(out, subscription);
    out += ']';
  }
  append_names(out, "httpEndpoints", metadata.http_endpoints);
  append_connection(out, metadata.connection);
  // As a daprd without a placement service has it.
  out +=
      ",\"actorRuntime\":{\"runtimeStatus\":\"DISABLED\",\"hostReady\":false,"
      "\"placement\":\"placement: disconnected\"}";
  append_names(out, "resiliencies", metadata.resiliencies);
  out += "}\n";
  return out;
}

void answer_metadata(const ApiOptions& api, net::Exchange& exchange) {
  reply_json(exchange, 200, metadata_json(api.app_id, api.metadata.describe(api.app_id), api.labels.all()));
}

void put_label(const ApiOptions& api, SharedExchange exchange, std::string key) {
  collect_body(std::move(exchange), api.max_body_bytes,
               [&api, key = std::move(key)](const SharedExchange& owner, Result<std::string_view> value) mutable {
                 if (!value) {
                   reply_error(*owner, {Code::kInvalidArgument, "ERR_BODY_READ",
                                        "failed to read request body: " + value.error().message});
                   return;
                 }
                 if (const auto set = api.labels.set(std::move(key), std::string(*value)); !set) {
                   reply_error(*owner, set.error());
                   return;
                 }
                 reply_empty(*owner);
               });
}

void shut_down(const ApiOptions& api, net::Exchange& exchange) {
  reply_empty(exchange);
  api.request_shutdown();
}

}  // namespace tandem::api::http
