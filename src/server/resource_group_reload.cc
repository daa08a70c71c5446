// ResourceGroup, the part that reads the folders again.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "server/resource_changes.h"
#include "server/resource_group.h"

namespace tandem::server {
namespace {

constexpr std::string_view kScope = "tandem.reload";
// A component whose operations have all ended has little left to do.
constexpr std::chrono::seconds kCloseReplaced{5};

// As daprd names a component in its log.
std::string log_name(const config::Component& component) {
  return fmt::format("{} ({}/{})", component.name, component.type, component.version);
}

std::string line_of(const config::Diagnostic& one) {
  if (one.position.line == 0) return fmt::format("{}: {}", one.position.file, one.message);
  return fmt::format("{}:{}: {}", one.position.file, one.position.line, one.message);
}

const config::Component* find(const std::vector<config::Component>& all, std::string_view name) {
  const auto found = std::ranges::find(all, name, &config::Component::name);
  return found == all.end() ? nullptr : &*found;
}

// daprd's words.
void refuse_actor_store(const config::Component& component, const Logger& log) {
  log.error(kScope,
            fmt::format("Aborting to hot-reload a state store component that is used as an actor state store: {}",
                        log_name(component)));
}

// A state store may have an outbox, which reads a topic.
bool has_events(std::string_view block) { return block == "pubsub" || block == "bindings" || block == "state"; }

}  // namespace

ResourceGroup::Reload ResourceGroup::reload(const Logger& log) {
  config::Diagnostics diagnostics;
  config::Resources now = config::load_resources(folders_, diagnostics);
  if (diagnostics.has_errors()) {
    for (const config::Diagnostic& one : diagnostics.all()) {
      if (one.severity != config::Severity::kError) continue;
      log.error(kScope, "the resources have changed and cannot be read: what was there before goes on",
                {{"error", line_of(one)}});
    }
    return {};
  }
  ResourceChanges changes = changes_between(in_use_, now);
  if (!changes.whole.empty()) return {.events = false, .whole = std::move(changes.whole)};

  Reload done{.events = changes.subscriptions, .whole = {}};
  for (const std::string& name : changes.removed_components) {
    const config::Component before = *find(in_use_.components, name);
    if (is_actor_store(before)) {
      refuse_actor_store(before, log);
      continue;
    }
    remove_component(before.block(), name);
    std::erase_if(in_use_.components, [&](const config::Component& one) { return one.name == name; });
    {
      const std::lock_guard lock(mutex_);
      std::erase_if(components_, [&](const LoadedComponent& one) { return one.name == name; });
    }
    done.events = done.events || has_events(before.block());
    log.info(kScope, fmt::format("Component removed: {}", log_name(before)));
  }
  std::vector<config::Component> wanted = std::move(changes.changed_components);
  std::ranges::move(changes.new_components, std::back_inserter(wanted));
  for (const config::Component& one : wanted) done.events = done.events || has_events(one.block());
  reload_components(std::move(wanted), log);
  if (changes.subscriptions) {
    in_use_.subscriptions = now.subscriptions;
    const std::lock_guard lock(mutex_);
    subscriptions_ = std::move(now.subscriptions);
  }
  return done;
}

void ResourceGroup::reload_components(std::vector<config::Component> wanted, const Logger& log) {
  std::vector<config::Component> before;
  std::erase_if(wanted, [&](const config::Component& one) {
    const config::Component* const known = find(in_use_.components, one.name);
    const bool refused = is_actor_store(one) || (known != nullptr && is_actor_store(*known));
    if (refused) refuse_actor_store(one, log);
    if (known != nullptr && !refused) before.push_back(*known);
    return refused;
  });
  const std::vector<config::Component> all = wanted;
  config::Diagnostics diagnostics;
  make_secret_stores(wanted, parts_, diagnostics);
  for (const config::Component& one : wanted) make_component(one, parts_, diagnostics);
  for (const config::Diagnostic& one : diagnostics.all()) {
    if (one.severity == config::Severity::kError) {
      log.error(kScope, "a component could not be reloaded", {{"error", line_of(one)}});
    } else {
      log.warn(kScope, line_of(one));
    }
  }
  for (const config::Component& one : all) {
    const config::Component* const known = find(before, one.name);
    const config::Component* const now = find(in_use_.components, one.name);
    if (now == nullptr || now->content != one.content) {
      if (known != nullptr) log.warn(kScope, fmt::format("Component goes on as it was: {}", log_name(*known)));
      continue;
    }
    if (known != nullptr && known->block() != one.block()) remove_component(known->block(), known->name);
    log.info(kScope, fmt::format("Component {}: {}", known == nullptr ? "added" : "updated", log_name(one)));
  }
}

void ResourceGroup::remove_component(std::string_view block, const std::string& name) {
  if (block == "state") {
    outbox_.remove(name);
    state_.remove_store(name);
  } else if (block == "pubsub") {
    pubsub_.remove_broker(name);
  } else if (block == "bindings") {
    bindings_.remove(name);
  } else if (block == "secretstores") {
    secrets_.remove_store(name);
    std::erase(declared_secret_stores_, name);
  } else if (block == "configuration") {
    configuration_.remove_store(name);
  }
}

bool ResourceGroup::sweep() {
  const SteadyTime deadline = std::chrono::steady_clock::now() + kCloseReplaced;
  bool more = state_.sweep(deadline);
  more = pubsub_.sweep(deadline) || more;
  more = bindings_.sweep(deadline) || more;
  more = secrets_.sweep(deadline) || more;
  return configuration_.sweep(deadline) || more;
}

}  // namespace tandem::server
