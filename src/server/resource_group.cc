#include "server/resource_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "policy/encrypted_store.h"
#include "policy/metered_broker.h"
#include "policy/metered_store.h"

namespace tandem::server {
namespace {

constexpr std::string_view kDefaults = R"(apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: statestore }
spec: { type: state.in-memory, version: v1 }
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: pubsub }
spec: { type: pubsub.in-memory, version: v1 }
)";

// The words, and their order, that daprd has for the store of that type: its clients look for them. ACTOR says that the
// store could keep actors' state.
std::vector<std::string> capabilities_of(std::string_view type, const state::StoreEntry& entry) {
  const state::Features features = entry.store->features();
  const bool for_actors = features.etag && features.transactional;
  std::vector<std::string> names;
  if (entry.capabilities) {
    names = *entry.capabilities;
    if (for_actors) names.emplace_back("ACTOR");
    return names;
  }
  if (features.etag) names.emplace_back("ETAG");
  if (features.transactional) names.emplace_back("TRANSACTIONAL");
  if (features.ttl) names.emplace_back("TTL");
  if (type == "state.in-memory") names.emplace_back("DELETE_WITH_PREFIX");
  names.emplace_back("KEYS_LIKE");
  if (for_actors) names.emplace_back("ACTOR");
  return names;
}

// What components are made with, one that only one app may use with that app.
components::Surroundings surroundings_of(const config::Component& component, const GroupParts& parts) {
  components::Surroundings surroundings = parts.surroundings;
  for (const std::string& app_id : parts.app_ids) {
    if (!component.visible_to(app_id)) continue;
    if (!surroundings.app_id.empty()) {
      surroundings.app_id.clear();
      break;
    }
    surroundings.app_id = app_id;
  }
  return surroundings;
}

// One component serves several apps here, so it cannot be named after one of them.
void refuse_app_templates(const config::Component& component, config::Diagnostics& found) {
  for (const config::MetadataItem& item : component.metadata) {
    if (item.value.contains("{appID}")) {
      found.error(component.position(item),
                  fmt::format("component {}: {{appID}} is not supported when several apps share a resource folder",
                              component.name));
    }
  }
}

// A failure is an error of the YAML, unless the component says ignoreErrors: then it is left out with a warning.
void report(const config::Component& component, const config::Diagnostics& found, config::Diagnostics& diagnostics) {
  for (const config::Diagnostic& one : found.all()) {
    if (one.severity == config::Severity::kError && !component.ignore_errors) {
      diagnostics.error(one.position, one.message);
    } else {
      diagnostics.warning(one.position, one.message);
    }
  }
}

}  // namespace

ResourceGroup::ResourceGroup(std::vector<std::string> folders, const GroupParts& parts,
                             config::Diagnostics& diagnostics)
    : folders_(std::move(folders)),
      uses_defaults_(folders_.empty() && parts.without_folders == ProcessOptions::WithoutFolders::kInMemory),
      state_(parts.name_space),
      pubsub_(parts.surroundings.log, &parts.surroundings.timers),
      binding_meter_(parts.metrics, parts.name_space.empty() ? "default" : parts.name_space),
      bindings_({.log = parts.surroundings.log,
                 .observer = &binding_meter_,
                 .sampler = telemetry::Sampler(parts.configuration.tracing.sampling_rate)}) {
  for (const auto& [feature, enabled] : parts.configuration.features) {
    if (enabled) enabled_features_.push_back(feature);
  }
  config::Resources resources;
  if (uses_defaults_) {
    config::parse_resources(kDefaults, "built-in defaults", resources, diagnostics);
  } else {
    resources = config::load_resources(folders_, diagnostics);
  }
  for (config::Component& component : resources.components) {
    make_component(std::move(component), parts, diagnostics);
  }
  for (config::HttpEndpoint& endpoint : resources.http_endpoints) {
    make_endpoint(std::move(endpoint), parts, diagnostics);
  }
  subscriptions_ = std::move(resources.subscriptions);
}

void ResourceGroup::make_endpoint(config::HttpEndpoint resource, const GroupParts& parts,
                                  config::Diagnostics& diagnostics) {
  config::resolve_secrets(resource, config::environment_secrets(), diagnostics);
  const auto report = [&](const Error& error) {
    diagnostics.error(resource.position(), fmt::format("HTTPEndpoint {}: {}", resource.name, error.message));
  };
  auto endpoint = components::HttpEndpoint::make(*parts.surroundings.workers, resource);
  if (!endpoint) return report(endpoint.error());
  for (const std::string& app_id : parts.app_ids) {
    if (!resource.visible_to(app_id)) continue;
    // A second one of the same name was reported when the folders were read.
    if (Status added = parts.invoke.add_external(app_id, resource.name, resource.base_url, **endpoint); !added) return;
  }
  endpoints_.push_back({std::move(resource.name), std::move(resource.scopes), std::move(*endpoint)});
}

bool ResourceGroup::make_binding(const config::Component& component, const GroupParts& parts, LoadedComponent& loaded,
                                 config::Diagnostics& found) {
  auto entry = parts.catalog.make_binding(component, parts.surroundings, found);
  if (!entry) return false;
  if (entry->input != nullptr) loaded.capabilities.emplace_back("INPUT_BINDING");
  if (entry->output != nullptr) loaded.capabilities.emplace_back("OUTPUT_BINDING");
  if (Status added = bindings_.add(std::move(*entry)); !added) {
    found.error(component.position(), added.error().message);
    return false;
  }
  return true;
}

void ResourceGroup::make_component(config::Component component, const GroupParts& parts,
                                   config::Diagnostics& diagnostics) {
  config::Diagnostics found;
  if (parts.configuration.component_denied(component.type, component.version)) {
    found.error(component.position(),
                fmt::format("component {}: type {} is denied by the configuration's components.deny", component.name,
                            component.type));
  }
  config::resolve_secrets(component, config::environment_secrets(), found);
  config::TemplateValues values;
  if (!parts.name_space.empty()) values.namespace_name = parts.name_space;
  if (parts.app_ids.size() == 1) {
    values.app_id = parts.app_ids.front();
  } else {
    refuse_app_templates(component, found);
  }
  config::expand_templates(component, values);
  const telemetry::ComponentLabels labels{.component = component.name, .namespace_name = values.namespace_name};
  LoadedComponent loaded{component.name, component.type, component.version, component.scopes, {}};
  bool made = false;
  if (found.has_errors()) {
    // A component without its secret is not tried.
  } else if (component.block() == "state") {
    if (auto entry = parts.catalog.make_store(component, surroundings_of(component, parts), found)) {
      loaded.capabilities = capabilities_of(component.type, *entry);
      entry->store =
          std::make_unique<policy::MeteredStore>(std::move(entry->store), parts.metrics, labels, parts.app_ids);
      entry->store = policy::encrypt_values(std::move(entry->store), component, found);
      if (found.has_errors()) {
        // Wrong keys: values must not be written in the clear.
      } else if (Status added = state_.add(std::move(*entry)); !added) {
        found.error(component.position(), added.error().message);
      } else {
        made = true;
      }
    }
  } else if (component.block() == "pubsub") {
    if (auto entry = parts.catalog.make_broker(component, surroundings_of(component, parts), found)) {
      loaded.capabilities = entry->capabilities;
      entry->broker = std::make_unique<policy::MeteredBroker>(std::move(entry->broker), parts.metrics, labels);
      if (Status added = pubsub_.add_broker(std::move(*entry)); !added) {
        found.error(component.position(), added.error().message);
      } else {
        made = true;
      }
    }
  } else if (component.block() == "bindings") {
    made = make_binding(component, parts, loaded, found);
  } else {
    found.error(component.position(),
                fmt::format("component {}: type {} is not supported: this version has state, pubsub and bindings "
                            "components",
                            component.name, component.type));
  }
  report(component, found, diagnostics);
  for (const std::string& app_id : parts.app_ids) {
    if (!component.visible_to(app_id)) continue;
    telemetry::ComponentLoadMetrics loads(parts.metrics, app_id);
    if (made) {
      loads.record_loaded(component.type);
    } else {
      loads.record_failed(component.type, component.name, "init");
    }
  }
  if (made) components_.push_back(std::move(loaded));
}

std::vector<config::Subscription> ResourceGroup::subscriptions(std::string_view app_id) const {
  std::vector<config::Subscription> visible;
  std::ranges::copy_if(subscriptions_, std::back_inserter(visible),
                       [&](const config::Subscription& one) { return one.visible_to(app_id); });
  return visible;
}

std::vector<LoadedComponent> ResourceGroup::components(std::string_view app_id) const {
  std::vector<LoadedComponent> visible;
  std::ranges::copy_if(components_, std::back_inserter(visible), [&](const LoadedComponent& one) {
    return one.scopes.empty() || std::ranges::find(one.scopes, app_id) != one.scopes.end();
  });
  return visible;
}

std::vector<std::string> ResourceGroup::http_endpoints(std::string_view app_id) const {
  std::vector<std::string> visible;
  for (const LoadedEndpoint& one : endpoints_) {
    if (one.scopes.empty() || std::ranges::find(one.scopes, app_id) != one.scopes.end()) visible.push_back(one.name);
  }
  return visible;
}

void ResourceGroup::close(SteadyTime deadline) {
  bindings_.close(deadline);
  pubsub_.close(deadline);
  state_.close(deadline);
}

}  // namespace tandem::server
