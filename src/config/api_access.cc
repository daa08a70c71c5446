#include "config/api_access.h"

#include <algorithm>

namespace tandem::config {
namespace {

std::vector<std::string> rules_for(std::string_view protocol, const std::vector<ApiRule>& rules) {
  std::vector<std::string> keys;
  for (const ApiRule& rule : rules) {
    if (rule.protocol == protocol) keys.push_back(rule.version + "/" + rule.name);
  }
  return keys;
}

// "v1.0-alpha1" and "state/…" make "v1alpha1/state".
std::string group_of(std::string_view version, std::string_view route) {
  std::string group(version.substr(0, version.find('.')));
  if (const std::size_t dash = version.find('-'); dash != std::string_view::npos) group += version.substr(dash + 1);
  return group.append("/").append(route.substr(0, route.find('/')));
}

}  // namespace

ApiAccess::ApiAccess(const Configuration& configuration, std::string_view protocol)
    : allowed_(rules_for(protocol, configuration.api_allowed)),
      denied_(rules_for(protocol, configuration.api_denied)) {}

bool ApiAccess::allows(std::string_view version, std::string_view route) const {
  const std::string group = group_of(version, route);
  const std::string endpoint = std::string(version).append("/").append(route);
  const auto named_by = [&](const std::vector<std::string>& rules) {
    return std::ranges::any_of(rules,
                               [&](const std::string& rule) { return rule == group || endpoint.starts_with(rule); });
  };
  if (named_by(denied_)) return false;
  return allowed_.empty() || named_by(allowed_);
}

}  // namespace tandem::config
