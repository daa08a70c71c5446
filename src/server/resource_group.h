// The Dapr resources of the apps that read the same folders: their components, made; their subscriptions, read.
//
// Apps of one run that name the same resource folders share one group, and so its in-memory stores and brokers; apps
// with other folders have a group of their own, as they would have a daprd of their own. Made and closed by the
// server's thread; reload() and sweep() are one other thread's, which may wait, between the two. What it tells of its
// resources is any thread's.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "blocks/bindings/binding_service.h"
#include "blocks/configuration/configuration_service.h"
#include "blocks/outbox/outbox.h"
#include "blocks/pubsub/pubsub_service.h"
#include "blocks/secrets/secret_service.h"
#include "blocks/state/state_service.h"
#include "cel/rule_compiler.h"
#include "components/catalog.h"
#include "components/invoke/http_endpoint/http_endpoint.h"
#include "config/resource_loader.h"
#include "policy/binding_meter.h"
#include "policy/event_policies.h"
#include "policy/resilience.h"
#include "policy/resilient_bindings.h"
#include "server/process_options.h"
#include "telemetry/metrics.h"

namespace tandem::server {

// What the metadata API says of a component.
struct LoadedComponent {
  std::string name;
  std::string type;
  std::string version;
  std::vector<std::string> scopes;
  std::vector<std::string> capabilities;
};

// What every group is made with. What it refers to outlives the group.
struct GroupParts {
  const components::Catalog& catalog;
  components::Surroundings surroundings;
  const config::Configuration& configuration;
  const std::string& name_space;
  telemetry::Metrics& metrics;
  std::vector<std::string> app_ids;  // that use the group
  ProcessOptions::WithoutFolders without_folders;
  invoke::InvokeService& invoke;
};

class ResourceGroup final {
 public:
  // No folders: nothing, or a state store `statestore` and a broker `pubsub`, both in memory, as `dapr init` sets up
  // both names.
  // Mistakes go to `diagnostics`; the group is made all the same.
  ResourceGroup(std::vector<std::string> folders, GroupParts parts, config::Diagnostics& diagnostics);

  const std::vector<std::string>& folders() const { return folders_; }
  state::StateService& state() { return state_; }
  pubsub::PubsubService& pubsub() { return pubsub_; }
  outbox::Outbox& outbox() { return outbox_; }
  secrets::SecretService& secrets() { return secrets_; }
  configuration::ConfigurationService& configuration() { return configuration_; }
  bindings::BindingService& bindings() { return bindings_; }
  // Declared subscriptions that are for this app.
  std::vector<config::Subscription> subscriptions(std::string_view app_id) const;
  std::vector<LoadedComponent> components(std::string_view app_id) const;
  // Names of the HTTPEndpoint resources that are for this app, in the order of their declaration.
  std::vector<std::string> http_endpoints(std::string_view app_id) const;
  // The resiliency policies of this app; null: it has none.
  policy::Resilience* resilience(std::string_view app_id) const;
  // The names of its Resiliency resources, in the order of their declaration.
  std::vector<std::string> resiliencies(std::string_view app_id) const;
  // The policies for events of input bindings on their way to apps.
  const policy::ResilientInputSink::Protections& input_protections() const { return input_protections_; }
  // Of the Configuration, sorted.
  const std::vector<std::string>& enabled_features() const { return enabled_features_; }
  bool uses_defaults() const { return uses_defaults_; }

  // What of the folders has changed is taken over: a component that has changed is made anew, takes the place of the
  // one before, and that one is closed by sweep() when nothing uses it any more. What is wrong is in the log, and what
  // it is about stays as it was. `events`: subscriptions may have to begin or end, or input bindings to be read.
  struct Reload {
    bool events = false;
    // What only a reload of the whole server takes over; nothing was done then.
    std::vector<std::string> whole;
  };
  Reload reload(const Logger& log);
  // True: there is more to close, later.
  bool sweep();

  // No new events; those under way finish, without further attempts.
  void stop_events();
  void close(SteadyTime deadline);

 private:
  void make_resilience(std::vector<config::Resiliency> resources, const GroupParts& parts,
                       config::Diagnostics& diagnostics);
  // Of the apps that may use the component.
  policy::AppProtections protections(const config::Component& component, config::TargetKind kind,
                                     config::Direction direction) const;
  // Secret stores, each after the one that its own secrets are in.
  void make_secret_stores(std::vector<config::Component>& components, const GroupParts& parts,
                          config::Diagnostics& diagnostics);
  // Where secretKeyRef of a resource with these scopes leads. `deadline`: when a store must have answered.
  config::SecretResolver secrets_for(const std::vector<std::string>& scopes, const GroupParts& parts,
                                     SteadyTime deadline) const;
  // Takes the place of one of that name. False: `diagnostics` says why not.
  bool make_component(const config::Component& declared, const GroupParts& parts, config::Diagnostics& diagnostics);
  void take_note(const config::Component& declared, LoadedComponent loaded);
  void remove_component(std::string_view block, const std::string& name);
  void reload_components(std::vector<config::Component> wanted, const Logger& log);
  // Each adds one, and its capabilities to `loaded`. False: `found` says why not.
  bool make_binding(const config::Component& component, const GroupParts& parts, LoadedComponent& loaded,
                    config::Diagnostics& found);
  bool make_secret_store(const config::Component& component, const GroupParts& parts,
                         const telemetry::ComponentLabels& labels, LoadedComponent& loaded, config::Diagnostics& found);
  bool make_configuration_store(const config::Component& component, const GroupParts& parts,
                                const telemetry::ComponentLabels& labels, config::Diagnostics& found);
  void make_endpoint(config::HttpEndpoint resource, const GroupParts& parts, config::Diagnostics& diagnostics);

  const std::vector<std::string> folders_;
  const GroupParts parts_;
  const bool uses_defaults_;
  std::vector<std::string> enabled_features_;
  std::vector<config::Resiliency> resiliencies_;
  std::map<std::string, std::unique_ptr<policy::Resilience>, std::less<>> resilience_;  // by app
  policy::EventPolicies event_policies_;
  policy::ResilientInputSink::Protections input_protections_;
  state::StateService state_;
  cel::CelRuleCompiler rules_;
  pubsub::PubsubService pubsub_;
  outbox::Outbox outbox_;
  secrets::SecretService secrets_;
  configuration::ConfigurationService configuration_;
  std::vector<std::string> declared_secret_stores_;
  policy::BindingMeter binding_meter_;
  bindings::BindingService bindings_;
  // As the folders have them, without components that were not made. The reloading thread's; the mutex guards what
  // other threads read.
  config::Resources in_use_;
  mutable std::mutex mutex_;
  std::vector<LoadedComponent> components_;  // guarded by mutex_
  struct LoadedEndpoint {
    std::string name;
    std::vector<std::string> scopes;
    std::unique_ptr<components::HttpEndpoint> endpoint;
  };
  std::vector<LoadedEndpoint> endpoints_;
  std::vector<config::Subscription> subscriptions_;  // guarded by mutex_
};

}  // namespace tandem::server
