#include "server/resource_changes.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace tandem::server {
namespace {

template <class Resource>
const Resource* named(const std::vector<Resource>& all, std::string_view name) {
  const auto found = std::ranges::find(all, name, &Resource::name);
  return found == all.end() ? nullptr : &*found;
}

template <class Resource>
std::string place_of(std::string_view kind, const Resource& resource) {
  return fmt::format("{} {} ({}:{})", kind, resource.name, resource.file, resource.line);
}

template <class Resource>
void compare_whole(std::string_view kind, const std::vector<Resource>& before, const std::vector<Resource>& now,
                   std::vector<std::string>& whole) {
  for (const Resource& one : before) {
    if (named(now, one.name) == nullptr) whole.push_back(place_of(kind, one));
  }
  for (const Resource& one : now) {
    const Resource* const known = named(before, one.name);
    if (known == nullptr || known->content != one.content) whole.push_back(place_of(kind, one));
  }
}

}  // namespace

ResourceChanges changes_between(const config::Resources& before, const config::Resources& now) {
  ResourceChanges changes;
  for (const config::Component& one : before.components) {
    if (named(now.components, one.name) == nullptr) changes.removed_components.push_back(one.name);
  }
  for (const config::Component& one : now.components) {
    const config::Component* const known = named(before.components, one.name);
    if (known == nullptr) {
      changes.new_components.push_back(one);
    } else if (known->content != one.content) {
      changes.changed_components.push_back(one);
    }
  }
  // Several may have one name, and their order decides between two to one topic.
  changes.subscriptions = !std::ranges::equal(before.subscriptions, now.subscriptions, {},
                                              &config::Subscription::content, &config::Subscription::content);
  compare_whole("HTTPEndpoint", before.http_endpoints, now.http_endpoints, changes.whole);
  compare_whole("Resiliency", before.resiliencies, now.resiliencies, changes.whole);
  return changes;
}

bool is_actor_store(const config::Component& component) {
  return component.block() == "state" && component.find("actorStateStore") != nullptr;
}

}  // namespace tandem::server
