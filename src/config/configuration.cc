#include "config/configuration.h"

#include <algorithm>

#include "config/text.h"

namespace tandem::config {

bool SecretScope::allows(std::string_view key) const {
  auto listed = [&](const std::vector<std::string>& list) {
    return std::find(list.begin(), list.end(), key) != list.end();
  };
  if (!allowed.empty()) return listed(allowed);
  if (listed(denied)) return false;
  return !equals_ignoring_case(default_access, "deny");
}

bool Configuration::feature_enabled(std::string_view feature) const {
  auto found = features.find(feature);
  return found != features.end() && found->second;
}

bool Configuration::component_denied(std::string_view type, std::string_view version) const {
  return std::any_of(denied_components.begin(), denied_components.end(), [&](std::string_view entry) {
    auto slash = entry.find('/');
    if (!equals_ignoring_case(entry.substr(0, slash), type)) return false;
    return slash == std::string_view::npos || equals_ignoring_case(entry.substr(slash + 1), version);
  });
}

}  // namespace tandem::config
