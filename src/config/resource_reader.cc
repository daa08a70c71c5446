#include "config/resource_reader.h"

#include <fmt/format.h>

#include <climits>

#include "config/duration.h"
#include "config/map_reader.h"
#include "config/text.h"

namespace tandem::config {
namespace {

// Where it is and what every kind of resource says of itself.
template <class Resource>
Resource begin_resource(const YamlNode& document, MapReader& top, const std::string& file, Diagnostics& diagnostics) {
  Resource resource;
  resource.file = file;
  resource.line = document.line;
  top.get("apiVersion");
  top.get("kind");
  resource.name = read_name(top, file, diagnostics);
  resource.scopes = top.texts("scopes");
  return resource;
}

std::string read_secret_store(MapReader& top, const std::string& file, Diagnostics& diagnostics) {
  const YamlNode* auth = top.map("auth");
  if (auth == nullptr) return {};
  MapReader reader(auth, "auth", file, diagnostics, UnknownKeys::kWarn);
  std::string store = reader.text_or("secretStore", "");
  reader.finish();
  return store;
}

enum class Naming { kItself, kByItsKey };

// A value, or where to find one. `path` is where it is; with kByItsKey it is not called anything else.
MetadataItem read_item(const YamlNode& node, const std::string& path, Naming naming, const std::string& file,
                       Diagnostics& diagnostics) {
  MapReader reader(&node, path, file, diagnostics, UnknownKeys::kWarn);
  MetadataItem item;
  item.name = naming == Naming::kItself ? reader.required_text("name") : path;
  item.line = node.line;
  item.column = node.column;
  if (const YamlNode* value = reader.get("value")) {
    item.line = value->line;
    item.column = value->column;
    if (value->kind == YamlNode::Kind::kScalar) {
      ScalarValue scalar = resolve_scalar(*value);
      item.value = scalar.type == ScalarType::kString ? value->text : scalar.json;
    } else {
      item.value = to_json(*value);
    }
  }
  if (const YamlNode* ref = reader.map("secretKeyRef")) {
    MapReader ref_reader(ref, reader.path_of("secretKeyRef"), file, diagnostics, UnknownKeys::kWarn);
    item.secret_key_ref = SecretKeyRef{ref_reader.required_text("name"), ref_reader.text_or("key", "")};
    if (item.secret_key_ref->key.empty()) item.secret_key_ref->key = item.secret_key_ref->name;
    item.line = ref->line;
    item.column = ref->column;
    ref_reader.finish();
  }
  if (auto variable = reader.text("envRef"); variable && !variable->empty()) {
    item.env_ref = std::move(variable);
    item.line = reader.get("envRef")->line;
  }
  if ((item.secret_key_ref && item.env_ref) || ((item.secret_key_ref || item.env_ref) && !item.value.empty())) {
    diagnostics.error(reader.position(), fmt::format("{} item \"{}\": give one of value, secretKeyRef and envRef",
                                                     path.substr(0, path.find('[')), printable(item.name)));
  }
  reader.finish();
  return item;
}

BulkSubscribe read_bulk(MapReader& spec, const std::string& file, Diagnostics& diagnostics) {
  BulkSubscribe bulk;
  const YamlNode* node = spec.map("bulkSubscribe");
  if (node == nullptr) return bulk;
  MapReader reader(node, spec.path_of("bulkSubscribe"), file, diagnostics, UnknownKeys::kWarn);
  bulk.enabled = reader.boolean("enabled").value_or(false);
  bulk.max_messages_count = static_cast<int>(reader.integer("maxMessagesCount", 0, INT_MAX).value_or(0));
  bulk.max_await_duration_ms = static_cast<int>(reader.integer("maxAwaitDurationMs", 0, INT_MAX).value_or(0));
  reader.finish();
  return bulk;
}

void read_routes(MapReader& spec, Subscription& subscription, const std::string& file, Diagnostics& diagnostics) {
  const YamlNode* routes = spec.map("routes");
  if (routes == nullptr) {
    if (!spec.has("routes")) diagnostics.error(spec.position(), "spec.routes is missing");
    return;
  }
  MapReader reader(routes, "spec.routes", file, diagnostics, UnknownKeys::kWarn);
  subscription.default_path = reader.text_or("default", "");
  if (const YamlNode* rules = reader.sequence("rules")) {
    for (std::size_t i = 0; i < rules->items.size(); ++i) {
      MapReader rule(rules->items[i].get(), fmt::format("spec.routes.rules[{}]", i), file, diagnostics,
                     UnknownKeys::kWarn);
      RoutingRule out;
      out.match = std::string(trim(rule.text_or("match", "")));
      out.path = rule.required_text("path");
      out.line = rules->items[i]->line;
      rule.finish();
      subscription.rules.push_back(std::move(out));
    }
  }
  if (subscription.rules.empty() && subscription.default_path.empty()) {
    diagnostics.error(reader.position(), "spec.routes needs rules, a default or both");
  }
  reader.finish();
}

}  // namespace

std::string read_name(MapReader& document, const std::string& file, Diagnostics& diagnostics) {
  const YamlNode* metadata = document.map("metadata");
  MapReader reader(metadata, "metadata", file, diagnostics, UnknownKeys::kIgnore);
  if (metadata == nullptr) {
    if (!document.has("metadata")) diagnostics.error(document.position(), "metadata.name is missing");
    return {};
  }
  std::string name = reader.required_text("name");
  if (name == "." || name == ".." || name.find_first_of("/%") != std::string::npos) {
    diagnostics.error(reader.position(*reader.get("name")),
                      fmt::format("metadata.name \"{}\" cannot be \".\" or \"..\" and cannot contain \"/\" or \"%\"",
                                  printable(name)));
  }
  return name;
}

Component read_component(const YamlNode& document, const std::string& file, Diagnostics& diagnostics) {
  MapReader top(&document, "", file, diagnostics, UnknownKeys::kWarn);
  Component component = begin_resource<Component>(document, top, file, diagnostics);
  component.secret_store = read_secret_store(top, file, diagnostics);
  if (!top.has("spec")) {
    diagnostics.error(top.position(), "spec is missing");
    top.finish();
    return component;
  }
  MapReader spec(top.get("spec"), "spec", file, diagnostics, UnknownKeys::kWarn);
  component.type = spec.required_text("type");
  if (!component.type.empty()) {
    auto dot = component.type.find('.');
    if (dot == std::string::npos || dot == 0 || dot + 1 == component.type.size()) {
      diagnostics.error(spec.position(*spec.get("type")),
                        fmt::format("spec.type \"{}\" must be a building block and a name, like state.sqlite",
                                    printable(component.type)));
    }
  }
  component.version = spec.text_or("version", "v1");
  if (component.version.empty()) component.version = "v1";
  component.ignore_errors = spec.boolean("ignoreErrors").value_or(false);
  component.init_timeout = spec.duration("initTimeout").value_or(Component::kDefaultInitTimeout);
  if (const YamlNode* items = spec.sequence("metadata")) {
    for (std::size_t i = 0; i < items->items.size(); ++i) {
      MetadataItem item =
          read_item(*items->items[i], fmt::format("spec.metadata[{}]", i), Naming::kItself, file, diagnostics);
      if (!item.name.empty() && component.find(item.name) != nullptr) {
        diagnostics.warning(
            {file, items->items[i]->line, items->items[i]->column},
            fmt::format("spec.metadata names \"{}\" twice; the last value holds", printable(item.name)));
      }
      component.metadata.push_back(std::move(item));
    }
  }
  spec.finish();
  top.finish();
  return component;
}

HttpEndpoint read_http_endpoint(const YamlNode& document, const std::string& file, Diagnostics& diagnostics) {
  MapReader top(&document, "", file, diagnostics, UnknownKeys::kWarn);
  HttpEndpoint endpoint = begin_resource<HttpEndpoint>(document, top, file, diagnostics);
  endpoint.secret_store = read_secret_store(top, file, diagnostics);
  if (!top.has("spec")) diagnostics.error(top.position(), "spec is missing");
  MapReader spec(top.get("spec"), "spec", file, diagnostics, UnknownKeys::kWarn);
  if (top.has("spec")) endpoint.base_url = spec.required_text("baseUrl");
  if (!endpoint.base_url.empty() && !parse_base_url(endpoint.base_url)) {
    diagnostics.error(spec.position(*spec.get("baseUrl")),
                      fmt::format("spec.baseUrl \"{}\" must be a URL like https://api.example.com:8443/v2",
                                  printable(endpoint.base_url)));
  }
  if (const YamlNode* headers = spec.sequence("headers")) {
    for (std::size_t i = 0; i < headers->items.size(); ++i) {
      endpoint.headers.push_back(
          read_item(*headers->items[i], fmt::format("spec.headers[{}]", i), Naming::kItself, file, diagnostics));
    }
  }
  if (const YamlNode* tls = spec.map("clientTLS")) {
    MapReader reader(tls, "spec.clientTLS", file, diagnostics, UnknownKeys::kWarn);
    for (const auto& [key, item] :
         {std::pair("rootCA", &endpoint.root_ca), std::pair("certificate", &endpoint.certificate),
          std::pair("privateKey", &endpoint.private_key)}) {
      if (const YamlNode* node = reader.map(key)) {
        *item = read_item(*node, reader.path_of(key), Naming::kByItsKey, file, diagnostics);
      }
    }
    if (auto choice = reader.choice("renegotiation", {"Never", "OnceAsClient", "FreelyAsClient"});
        choice && *choice != "Never") {
      diagnostics.warning(reader.position(*reader.get("renegotiation")),
                          fmt::format("spec.clientTLS.renegotiation: {} is not supported; Never holds", *choice));
    }
    reader.finish();
  }
  spec.finish();
  top.finish();
  return endpoint;
}

Subscription read_subscription(const YamlNode& document, const std::string& file, Diagnostics& diagnostics) {
  MapReader top(&document, "", file, diagnostics, UnknownKeys::kWarn);
  const std::string version = top.text_or("apiVersion", "");
  Subscription subscription = begin_resource<Subscription>(document, top, file, diagnostics);
  if (!top.has("spec")) {
    diagnostics.error(top.position(), "spec is missing");
    top.finish();
    return subscription;
  }
  MapReader spec(top.get("spec"), "spec", file, diagnostics, UnknownKeys::kWarn);
  subscription.pubsub_name = spec.required_text("pubsubname");
  subscription.topic = spec.required_text("topic");
  subscription.dead_letter_topic = spec.text_or("deadLetterTopic", "");
  for (auto& [key, value] : spec.text_map("metadata")) subscription.metadata[key] = value;
  subscription.bulk = read_bulk(spec, file, diagnostics);
  if (version.ends_with("/v1alpha1")) {
    subscription.default_path = spec.required_text("route");
  } else {
    read_routes(spec, subscription, file, diagnostics);
  }
  spec.finish();
  top.finish();
  return subscription;
}

}  // namespace tandem::config
