// The protections of one component, by the app that calls it. A plain value; any thread while nobody writes.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/guard.h"

namespace tandem::policy {

class AppProtections final {
 public:
  void add(std::string app_id, Protection protection) {
    if (protection) all_.emplace_back(std::move(app_id), std::move(protection));
  }
  bool empty() const { return all_.empty(); }
  // Null: the app has no policies for it. A process has a handful of apps.
  const Protection* find(std::string_view app_id) const {
    const auto found = std::ranges::find_if(all_, [&](const auto& one) { return one.first == app_id; });
    return found == all_.end() ? nullptr : &found->second;
  }

 private:
  std::vector<std::pair<std::string, Protection>> all_;
};

}  // namespace tandem::policy
