#include "config/resiliency.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/text.h"

namespace tandem::config {
namespace {

constexpr int kLastGrpcCode = 16;
constexpr int kFirstHttpCode = 100;
constexpr int kLastHttpCode = 599;

bool is_in(const std::optional<StatusCodes>& codes, int code) {
  return !codes || std::ranges::any_of(*codes, [code](const StatusCodeRange& range) {
    return range.first <= code && code <= range.last;
  });
}

std::string_view word_of(TargetKind kind) {
  switch (kind) {
    case TargetKind::kApp: return "App";
    case TargetKind::kStateStore: return "Statestore";
    case TargetKind::kPubsub: return "Pubsub";
    case TargetKind::kBinding: return "Binding";
    case TargetKind::kSecretStore: return "Secretstore";
    case TargetKind::kConfiguration: return "Configuration";
  }
  return {};
}

template <class Policy>
void take_over(const std::map<std::string, Policy, std::less<>>& from, std::map<std::string, Policy, std::less<>>& to) {
  for (const auto& [name, policy] : from) to.insert_or_assign(name, policy);
}

template <class Policy>
const Policy* find(const std::map<std::string, Policy, std::less<>>& policies, std::string_view name) {
  const auto found = policies.find(name);
  return found == policies.end() ? nullptr : &found->second;
}

template <class Policy>
void check_name(const std::map<std::string, Policy, std::less<>>& policies, std::string_view kind,
                const PolicyName& wanted, Diagnostics& diagnostics) {
  if (wanted.name.empty() || policies.contains(wanted.name)) return;
  std::vector<std::string_view> known;
  for (const auto& [name, policy] : policies) known.push_back(name);
  const std::string_view close = closest_match(wanted.name, known);
  diagnostics.error(wanted.position,
                    fmt::format("there is no {} \"{}\" among the policies{}", kind, printable(wanted.name),
                                close.empty() ? "" : fmt::format(". Did you mean {}?", close)));
}

void check_names(const Resiliency& merged, const PolicyNames& names, Diagnostics& diagnostics) {
  check_name(merged.timeouts, "timeout", names.timeout, diagnostics);
  check_name(merged.retries, "retry", names.retry, diagnostics);
  check_name(merged.breakers, "circuit breaker", names.circuit_breaker, diagnostics);
}

// An event that an app does not take has no status code any more where policies see it.
void check_matching(const RetryPolicy* retry, std::string_view where, Diagnostics& diagnostics) {
  if (retry == nullptr || !retry->has_matching()) return;
  diagnostics.error(retry->position,
                    fmt::format("matching is not supported for what is inbound, and {} uses this retry for it", where));
}

constexpr std::array<std::string_view, 4> kInboundLevels = {"ComponentInbound", "PubsubComponentInbound",
                                                            "BindingComponentInbound", "Component"};

}  // namespace

bool RetryPolicy::retries(int status_code) const {
  if (status_code >= 0 && status_code <= kLastGrpcCode) return is_in(grpc_codes, status_code);
  if (status_code >= kFirstHttpCode && status_code <= kLastHttpCode) return is_in(http_codes, status_code);
  return false;
}

bool Resiliency::visible_to(std::string_view app_id) const {
  return scopes.empty() || std::ranges::find(scopes, app_id) != scopes.end();
}

ResiliencySet ResiliencySet::of(const std::vector<Resiliency>& all, std::string_view app_id, Diagnostics& diagnostics) {
  ResiliencySet set;
  for (const Resiliency& one : all) {
    if (!one.visible_to(app_id)) continue;
    set.names_.push_back({one.name, one.name_space});
    take_over(one.timeouts, set.merged_.timeouts);
    take_over(one.retries, set.merged_.retries);
    take_over(one.breakers, set.merged_.breakers);
    take_over(one.apps, set.merged_.apps);
    take_over(one.components, set.merged_.components);
  }
  for (const auto& [name, target] : set.merged_.apps) check_names(set.merged_, target.policies, diagnostics);
  for (const auto& [name, target] : set.merged_.components) {
    check_names(set.merged_, target.inbound, diagnostics);
    check_names(set.merged_, target.outbound, diagnostics);
    check_matching(find(set.merged_.retries, target.inbound.retry.name), "component " + name, diagnostics);
  }
  for (const std::string_view level : kInboundLevels) {
    const std::string name = fmt::format("Default{}RetryPolicy", level);
    check_matching(find(set.merged_.retries, name), "a default policy", diagnostics);
  }
  return set;
}

Policies ResiliencySet::own(const PolicyNames& names) const {
  Policies policies;
  if (const auto* timeout = find(merged_.timeouts, names.timeout.name)) policies.timeout = *timeout;
  policies.retry = find(merged_.retries, names.retry.name);
  const auto breaker = merged_.breakers.find(names.circuit_breaker.name);
  if (breaker != merged_.breakers.end()) {
    policies.breaker = &breaker->second;
    policies.breaker_name = breaker->first;
  }
  return policies;
}

Policies ResiliencySet::defaults(const std::vector<std::string>& levels) const {
  Policies policies;
  for (const std::string& level : levels) {
    PolicyNames names;
    names.timeout.name = fmt::format("Default{}TimeoutPolicy", level);
    names.retry.name = fmt::format("Default{}RetryPolicy", level);
    names.circuit_breaker.name = fmt::format("Default{}CircuitBreakerPolicy", level);
    const Policies here = own(names);
    if (policies.timeout.count() == 0) policies.timeout = here.timeout;
    if (policies.retry == nullptr) policies.retry = here.retry;
    if (policies.breaker == nullptr) {
      policies.breaker = here.breaker;
      policies.breaker_name = here.breaker_name;
    }
  }
  return policies;
}

Policies ResiliencySet::app(std::string_view app_id) const {
  if (const AppTarget* target = find(merged_.apps, app_id)) return own(target->policies);
  return defaults({"App", ""});
}

Policies ResiliencySet::component(std::string_view name, TargetKind kind, Direction direction) const {
  const bool inbound = direction == Direction::kInbound;
  if (const ComponentTarget* target = find(merged_.components, name)) {
    return own(inbound ? target->inbound : target->outbound);
  }
  const std::string_view way = inbound ? "Inbound" : "Outbound";
  return defaults({fmt::format("{}Component{}", word_of(kind), way), fmt::format("Component{}", way), "Component", ""});
}

std::size_t ResiliencySet::max_breakers(std::string_view app_id) const {
  const AppTarget* target = find(merged_.apps, app_id);
  return target != nullptr ? target->max_breakers : AppTarget::kDefaultBreakers;
}

}  // namespace tandem::config
