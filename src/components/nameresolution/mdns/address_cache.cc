#include "components/nameresolution/mdns/address_cache.h"

#include <algorithm>
#include <utility>

namespace tandem::components {

std::optional<std::string> AddressCache::next(std::string_view app_id, SteadyTime now) {
  const std::scoped_lock lock(mutex_);
  const auto found = apps_.find(app_id);
  if (found == apps_.end()) return std::nullopt;
  App& app = found->second;
  std::erase_if(app.instances, [&](const Instance& one) { return one.until <= now; });
  if (app.instances.empty()) {
    apps_.erase(found);
    return std::nullopt;
  }
  app.used = now;
  return app.instances[app.turn++ % app.instances.size()].address;
}

void AddressCache::put(std::string_view app_id, std::string_view instance, std::string address, SteadyTime until) {
  const std::scoped_lock lock(mutex_);
  auto found = apps_.find(app_id);
  if (found == apps_.end()) {
    if (apps_.size() >= kMaxApps) {
      apps_.erase(std::ranges::min_element(apps_, {}, [](const auto& one) { return one.second.used; }));
    }
    found = apps_.emplace(app_id, App{}).first;
  }
  std::vector<Instance>& instances = found->second.instances;
  const auto known = std::ranges::find(instances, instance, &Instance::name);
  if (known != instances.end()) {
    known->address = std::move(address);
    known->until = until;
    return;
  }
  // An instance that came back under another name has the address of the one before.
  std::erase_if(instances, [&](const Instance& one) { return one.address == address; });
  if (instances.size() >= kMaxInstances) instances.erase(std::ranges::min_element(instances, {}, &Instance::until));
  instances.push_back({std::string(instance), std::move(address), until});
}

void AddressCache::remove_instance(std::string_view app_id, std::string_view instance) {
  const std::scoped_lock lock(mutex_);
  const auto found = apps_.find(app_id);
  if (found == apps_.end()) return;
  std::erase_if(found->second.instances, [&](const Instance& one) { return one.name == instance; });
}

void AddressCache::remove_address(std::string_view app_id, std::string_view address) {
  const std::scoped_lock lock(mutex_);
  const auto found = apps_.find(app_id);
  if (found == apps_.end()) return;
  std::erase_if(found->second.instances, [&](const Instance& one) { return one.address == address; });
}

bool AddressCache::knows(std::string_view app_id) const {
  const std::scoped_lock lock(mutex_);
  return apps_.contains(app_id);
}

std::vector<std::string> AddressCache::used_since(SteadyTime since, SteadyTime now) {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> used;
  for (auto& [app_id, app] : apps_) {
    std::erase_if(app.instances, [&](const Instance& one) { return one.until <= now; });
    if (!app.instances.empty() && app.used >= since) used.push_back(app_id);
  }
  std::erase_if(apps_, [](const auto& one) { return one.second.instances.empty(); });
  return used;
}

}  // namespace tandem::components
