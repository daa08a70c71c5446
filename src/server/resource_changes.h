// What has changed in the resource folders since they were read last, and what is to be done about it.
//
// Values without state; any thread. Nothing fails. As daprd 1.18 does: components and subscriptions are taken over one
// by one; an HTTPEndpoint or a Resiliency resource that has changed has the whole server read again, as SIGHUP does.
#pragma once

#include <string>
#include <vector>

#include "config/resource_loader.h"

namespace tandem::server {

struct ResourceChanges {
  // In the order in which they are to be done: what goes, then what changes, then what comes.
  std::vector<std::string> removed_components;
  std::vector<config::Component> changed_components;
  std::vector<config::Component> new_components;
  bool subscriptions = false;
  // What calls for a whole reload, for the log: "HTTPEndpoint jokes (api.yaml:3)".
  std::vector<std::string> whole;

  bool empty() const {
    return removed_components.empty() && changed_components.empty() && new_components.empty() && !subscriptions &&
           whole.empty();
  }
};

// `before` is what is in use: a component that could not be made is not in it, and so comes again as a new one.
ResourceChanges changes_between(const config::Resources& before, const config::Resources& now);

// daprd does not reload a state store that is marked as that of actors, nor one that becomes one.
bool is_actor_store(const config::Component& component);

}  // namespace tandem::server
