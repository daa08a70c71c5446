#include "server/resource_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "policy/encrypted_store.h"
#include "policy/metered_broker.h"
#include "policy/metered_configuration.h"
#include "policy/metered_secrets.h"
#include "policy/metered_store.h"
#include "policy/resilient_broker.h"
#include "policy/resilient_configuration.h"
#include "policy/resilient_secrets.h"
#include "policy/resilient_store.h"

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

constexpr std::chrono::milliseconds kDefaultInitTimeout = config::Component::kDefaultInitTimeout;

// The secret store that a component's own secrets are in; empty where it has none.
std::string_view source_of_secrets(const config::Component& component) {
  const bool has_secrets = std::ranges::any_of(
      component.metadata, [](const config::MetadataItem& item) { return item.secret_key_ref.has_value(); });
  return has_secrets ? std::string_view(component.secret_store) : std::string_view();
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

ResourceGroup::ResourceGroup(std::vector<std::string> folders, GroupParts parts, config::Diagnostics& diagnostics)
    : folders_(std::move(folders)),
      parts_(std::move(parts)),
      uses_defaults_(folders_.empty() && parts_.without_folders == ProcessOptions::WithoutFolders::kInMemory),
      state_(parts_.name_space),
      pubsub_(parts_.surroundings.log, &parts_.surroundings.timers, &event_policies_, &rules_),
      outbox_(parts_.name_space, state_, pubsub_, parts_.surroundings.timers, parts_.surroundings.log),
      secrets_(parts_.configuration.secret_scopes),
      configuration_(parts_.surroundings.log),
      binding_meter_(parts_.metrics, parts_.name_space.empty() ? "default" : parts_.name_space),
      bindings_({.log = parts_.surroundings.log,
                 .observer = &binding_meter_,
                 .sampler = telemetry::Sampler(parts_.configuration.tracing.sampling_rate)}) {
  for (const auto& [feature, enabled] : parts_.configuration.features) {
    if (enabled) enabled_features_.push_back(feature);
  }
  state_.set_outbox(outbox_);
  config::Resources resources;
  if (uses_defaults_) {
    config::parse_resources(kDefaults, "built-in defaults", resources, diagnostics);
  } else {
    resources = config::load_resources(folders_, diagnostics);
  }
  in_use_.http_endpoints = resources.http_endpoints;
  in_use_.resiliencies = resources.resiliencies;
  in_use_.subscriptions = resources.subscriptions;
  make_resilience(std::move(resources.resiliencies), parts_, diagnostics);
  make_secret_stores(resources.components, parts_, diagnostics);
  for (const config::Component& component : resources.components) make_component(component, parts_, diagnostics);
  for (config::HttpEndpoint& endpoint : resources.http_endpoints) {
    make_endpoint(std::move(endpoint), parts_, diagnostics);
  }
  for (const config::Subscription& subscription : resources.subscriptions) {
    const auto is_for = [&](const std::string& app_id) { return subscription.visible_to(app_id); };
    if (std::ranges::none_of(parts_.app_ids, is_for)) continue;
    // As with daprd: a rule that does not compile stops the start.
    if (const auto routes = pubsub::Routes::make(subscription, &rules_); !routes) {
      diagnostics.error(subscription.position(), routes.error().message);
    }
  }
  subscriptions_ = std::move(resources.subscriptions);
}

void ResourceGroup::make_resilience(std::vector<config::Resiliency> resources, const GroupParts& parts,
                                    config::Diagnostics& diagnostics) {
  resiliencies_ = std::move(resources);
  std::set<std::pair<int, std::string>> said;  // what is wrong for several apps is said once
  for (const std::string& app_id : parts.app_ids) {
    config::Diagnostics found;
    auto set = config::ResiliencySet::of(resiliencies_, app_id, found);
    for (const config::Diagnostic& one : found.all()) {
      if (!said.emplace(one.position.line, one.position.file + one.message).second) continue;
      diagnostics.error(one.position, one.message);
    }
    if (set.empty()) continue;
    resilience_.emplace(
        app_id, std::make_unique<policy::Resilience>(policy::Resilience::Parts{.app_id = app_id,
                                                                               .set = std::move(set),
                                                                               .metrics = parts.metrics,
                                                                               .timers = parts.surroundings.timers,
                                                                               .log = parts.surroundings.log}));
  }
}

policy::AppProtections ResourceGroup::protections(const config::Component& component, config::TargetKind kind,
                                                  config::Direction direction) const {
  policy::AppProtections all;
  for (const auto& [app_id, resilience] : resilience_) {
    if (component.visible_to(app_id)) all.add(app_id, resilience->component(component.name, kind, direction));
  }
  return all;
}

void ResourceGroup::make_secret_stores(std::vector<config::Component>& components, const GroupParts& parts,
                                       config::Diagnostics& diagnostics) {
  std::vector<config::Component> waiting;
  std::vector<config::Component> others;
  for (config::Component& component : components) {
    const bool is_store = component.block() == "secretstores";
    if (is_store) declared_secret_stores_.push_back(component.name);
    (is_store ? waiting : others).push_back(std::move(component));
  }
  components = std::move(others);
  // The stores that wait for nobody who waits.
  while (!waiting.empty()) {
    const auto ready = std::ranges::find_if(waiting, [&](const config::Component& store) {
      const std::string_view source = source_of_secrets(store);
      return std::ranges::find(waiting, source, &config::Component::name) == waiting.end();
    });
    if (ready == waiting.end()) break;
    const config::Component store = std::move(*ready);
    waiting.erase(ready);
    make_component(store, parts, diagnostics);
  }
  for (const config::Component& store : waiting) {
    config::Diagnostics found;
    found.error(store.position(),
                fmt::format("component {}: its secrets are in secret store \"{}\" (auth.secretStore), but these secret "
                            "stores wait for each other in a circle: one of them must do without",
                            store.name, store.secret_store));
    report(store, found, diagnostics);
  }
  for (const config::SecretScope& scope : parts.configuration.secret_scopes) {
    if (secrets_.has_store(scope.store_name)) continue;
    diagnostics.warning(
        {parts.configuration.file, parts.configuration.line, 0},
        fmt::format("spec.secrets.scopes names the secret store \"{}\", which is not there", scope.store_name));
  }
}

config::SecretResolver ResourceGroup::secrets_for(const std::vector<std::string>& scopes, const GroupParts& parts,
                                                  SteadyTime deadline) const {
  return [this, &scopes, &parts, deadline](const std::string& store,
                                           const config::SecretKeyRef& ref) -> Result<std::string> {
    if (secrets_.has_store(store)) {
      for (const std::string& app_id : parts.app_ids) {
        const bool sees = scopes.empty() || std::ranges::find(scopes, app_id) != scopes.end();
        if (!sees || secrets_.visible_to(store, app_id)) continue;
        return fail(Code::kPermissionDenied,
                    fmt::format("secret store \"{}\" is out of the scope of app {}, which uses this", store, app_id));
      }
      return secrets_.resolve(store, ref, parts.name_space, deadline);
    }
    if (std::ranges::find(declared_secret_stores_, store) != declared_secret_stores_.end()) {
      return fail(Code::kFailedPrecondition, fmt::format("secret store \"{}\" could not be made", store));
    }
    if (store == "kubernetes") {
      return fail(Code::kUnimplemented,
                  "the built-in secret store \"kubernetes\" is not supported: name a component of type secretstores.… "
                  "in auth.secretStore");
    }
    return config::environment_secrets()(store, ref);
  };
}

void ResourceGroup::make_endpoint(config::HttpEndpoint resource, const GroupParts& parts,
                                  config::Diagnostics& diagnostics) {
  config::resolve_secrets(resource,
                          secrets_for(resource.scopes, parts, std::chrono::steady_clock::now() + kDefaultInitTimeout),
                          diagnostics);
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
  using enum config::Direction;
  if (entry->output != nullptr) {
    if (auto outbound = protections(component, config::TargetKind::kBinding, kOutbound); !outbound.empty()) {
      entry->output = std::make_unique<policy::ResilientOutputBinding>(std::move(entry->output), std::move(outbound));
    }
  }
  if (entry->input != nullptr) {
    if (auto inbound = protections(component, config::TargetKind::kBinding, kInbound); !inbound.empty()) {
      input_protections_.put(component.name, std::move(inbound));
    }
  }
  bindings_.put(std::move(*entry));
  return true;
}

bool ResourceGroup::make_component(const config::Component& declared, const GroupParts& parts,
                                   config::Diagnostics& diagnostics) {
  config::Component component = declared;
  config::Diagnostics found;
  if (parts.configuration.component_denied(component.type, component.version)) {
    found.error(component.position(),
                fmt::format("component {}: type {} is denied by the configuration's components.deny", component.name,
                            component.type));
  }
  config::resolve_secrets(component,
                          secrets_for(component.scopes, parts,
                                      std::chrono::steady_clock::now() +
                                          std::chrono::ceil<std::chrono::milliseconds>(component.init_timeout)),
                          found);
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
      auto outbound = protections(component, config::TargetKind::kStateStore, config::Direction::kOutbound);
      if (!outbound.empty()) {
        entry->store = std::make_unique<policy::ResilientStore>(std::move(entry->store), std::move(outbound));
      }
      entry->store =
          std::make_unique<policy::MeteredStore>(std::move(entry->store), parts.metrics, labels, parts.app_ids);
      entry->store = policy::encrypt_values(std::move(entry->store), component, found);
      if (found.has_errors()) {
        // Wrong keys: values must not be written in the clear.
      } else {
        outbox_.set(component.name, outbox::Settings::of(component));
        state_.put(std::move(*entry));
        made = true;
      }
    }
  } else if (component.block() == "pubsub") {
    if (auto entry = parts.catalog.make_broker(component, surroundings_of(component, parts), found)) {
      loaded.capabilities = entry->capabilities;
      auto outbound = protections(component, config::TargetKind::kPubsub, config::Direction::kOutbound);
      if (!outbound.empty()) {
        entry->broker = std::make_unique<policy::ResilientBroker>(std::move(entry->broker), std::move(outbound));
      }
      event_policies_.put(component.name,
                          protections(component, config::TargetKind::kPubsub, config::Direction::kInbound));
      entry->broker = std::make_unique<policy::MeteredBroker>(std::move(entry->broker), parts.metrics, labels);
      if (Status added = pubsub_.put_broker(std::move(*entry)); !added) {
        found.error(component.position(), added.error().message);
      } else {
        made = true;
      }
    }
  } else if (component.block() == "bindings") {
    made = make_binding(component, parts, loaded, found);
  } else if (component.block() == "secretstores") {
    made = make_secret_store(component, parts, labels, loaded, found);
  } else if (component.block() == "configuration") {
    made = make_configuration_store(component, parts, labels, found);
  } else {
    found.error(component.position(),
                fmt::format("component {}: type {} is not supported: this version has state, pubsub, bindings, "
                            "secretstores and configuration components",
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
  if (made) take_note(declared, std::move(loaded));
  return made;
}

void ResourceGroup::take_note(const config::Component& declared, LoadedComponent loaded) {
  const auto own = [&](const auto& one) { return one.name == declared.name; };
  if (const auto at = std::ranges::find_if(in_use_.components, own); at != in_use_.components.end()) {
    *at = declared;
  } else {
    in_use_.components.push_back(declared);
  }
  const std::lock_guard lock(mutex_);
  if (const auto at = std::ranges::find_if(components_, own); at != components_.end()) {
    *at = std::move(loaded);
  } else {
    components_.push_back(std::move(loaded));
  }
}

bool ResourceGroup::make_secret_store(const config::Component& component, const GroupParts& parts,
                                      const telemetry::ComponentLabels& labels, LoadedComponent& loaded,
                                      config::Diagnostics& found) {
  auto entry = parts.catalog.make_secret_store(component, parts.surroundings, found);
  if (!entry) return false;
  if (entry->store->features().multiple_values) loaded.capabilities = {"MULTIPLE_KEY_VALUES_PER_SECRET"};
  auto outbound = protections(component, config::TargetKind::kSecretStore, config::Direction::kOutbound);
  if (!outbound.empty()) {
    entry->store = std::make_unique<policy::ResilientSecrets>(std::move(entry->store), std::move(outbound));
  }
  entry->store =
      std::make_unique<policy::MeteredSecrets>(std::move(entry->store), parts.metrics, labels, parts.app_ids);
  secrets_.put(std::move(*entry));
  return true;
}

bool ResourceGroup::make_configuration_store(const config::Component& component, const GroupParts& parts,
                                             const telemetry::ComponentLabels& labels, config::Diagnostics& found) {
  auto entry = parts.catalog.make_configuration_store(component, parts.surroundings, found);
  if (!entry) return false;
  auto outbound = protections(component, config::TargetKind::kConfiguration, config::Direction::kOutbound);
  if (!outbound.empty()) {
    entry->store = std::make_unique<policy::ResilientConfiguration>(std::move(entry->store), std::move(outbound));
  }
  entry->store =
      std::make_unique<policy::MeteredConfiguration>(std::move(entry->store), parts.metrics, labels, parts.app_ids);
  configuration_.put(std::move(*entry));
  return true;
}

std::vector<config::Subscription> ResourceGroup::subscriptions(std::string_view app_id) const {
  std::vector<config::Subscription> visible;
  const std::lock_guard lock(mutex_);
  std::ranges::copy_if(subscriptions_, std::back_inserter(visible),
                       [&](const config::Subscription& one) { return one.visible_to(app_id); });
  return visible;
}

std::vector<LoadedComponent> ResourceGroup::components(std::string_view app_id) const {
  std::vector<LoadedComponent> visible;
  const std::lock_guard lock(mutex_);
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

policy::Resilience* ResourceGroup::resilience(std::string_view app_id) const {
  const auto found = resilience_.find(app_id);
  return found == resilience_.end() ? nullptr : found->second.get();
}

std::vector<std::string> ResourceGroup::resiliencies(std::string_view app_id) const {
  std::vector<std::string> names;
  for (const config::Resiliency& one : resiliencies_) {
    if (one.visible_to(app_id)) names.push_back(one.name);
  }
  return names;
}

void ResourceGroup::stop_events() {
  for (const auto& [app_id, resilience] : resilience_) resilience->shut(config::Direction::kInbound);
  bindings_.stop_all();
  pubsub_.stop_subscriptions();
  outbox_.stop();
}

void ResourceGroup::close(SteadyTime deadline) {
  for (const auto& [app_id, resilience] : resilience_) resilience->shut(config::Direction::kOutbound);
  bindings_.close(deadline);
  configuration_.close(deadline);
  pubsub_.close(deadline);
  state_.close(deadline);
  secrets_.close(deadline);
}

}  // namespace tandem::server
