#include "policy/resilience.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tandem::policy {
namespace {

constexpr std::string_view kScope = "tandem.resiliency";

std::string_view word_of(config::TargetKind kind) {
  switch (kind) {
    case config::TargetKind::kApp: return "app";
    case config::TargetKind::kStateStore: return "Statestore";
    case config::TargetKind::kPubsub: return "Pubsub";
    case config::TargetKind::kBinding: return "Binding";
    case config::TargetKind::kSecretStore: return "Secretstore";
    case config::TargetKind::kConfiguration: return "Configuration";
  }
  return {};
}

}  // namespace

Resilience::Resilience(Parts parts) : parts_(std::move(parts)) {
  if (parts_.log != nullptr) log_ = parts_.log->for_app(parts_.app_id);
  for (const auto& source : parts_.set.sources()) {
    telemetry::count_resiliency_loaded(parts_.metrics, parts_.app_id, source.name, source.name_space);
    if (log_) log_->info(kScope, "Loading Resiliency configuration: " + source.name);
  }
}

std::shared_ptr<Guard> Resilience::make_guard(std::string name, const config::Policies& policies,
                                              std::string_view direction, std::string target) {
  // As in daprd, what several resources say is the last one's.
  const config::ResiliencySet::Source& source = parts_.set.sources().back();
  telemetry::ResiliencyMetrics metrics(parts_.metrics,
                                       {.app_id = parts_.app_id,
                                        .resource = source.name,
                                        .name_space = source.name_space,
                                        .direction = std::string(direction),
                                        .target = std::move(target)},
                                       {.timeout = policies.timeout.count() > 0,
                                        .retry = policies.retry != nullptr,
                                        .breaker = policies.breaker != nullptr});
  return std::make_shared<Guard>(GuardParts{.name = std::move(name),
                                            .policies = policies,
                                            .metrics = metrics,
                                            .timers = parts_.timers,
                                            .clock = parts_.clock,
                                            .log = log_ ? &*log_ : nullptr});
}

std::shared_ptr<CircuitBreaker> Resilience::make_breaker(const config::BreakerPolicy& policy, std::string name) {
  return std::make_shared<CircuitBreaker>(
      policy, parts_.clock(),
      [log = log_, name = std::move(name)](CircuitBreaker::State from, CircuitBreaker::State to) {
        if (!log) return;
        log->info(kScope,
                  fmt::format("Circuit breaker \"{}\" changed state from {} to {}", name, name_of(from), name_of(to)));
      });
}

Protection Resilience::component(const std::string& name, config::TargetKind kind, config::Direction direction) {
  const config::Policies policies = parts_.set.component(name, kind, direction);
  if (policies.empty()) return {};
  const bool inbound = direction == config::Direction::kInbound;
  const std::lock_guard lock(mutex_);
  Protection out;
  const auto known = std::ranges::find_if(components_, [&](const ComponentGuard& one) {
    return one.name == name && one.kind == kind && one.direction == direction;
  });
  if (known != components_.end()) {
    out.guard = known->guard;
    if (policies.breaker != nullptr) out.breaker = component_breakers_[name];
    return out;
  }
  out.guard = make_guard(fmt::format("component[{}] {}", name, inbound ? "input" : "output"), policies,
                         inbound ? "inbound" : "outbound", fmt::format("{}_{}", word_of(kind), name));
  components_.push_back({name, kind, direction, out.guard});
  if (policies.breaker == nullptr) return out;
  std::shared_ptr<CircuitBreaker>& breaker = component_breakers_[name];
  if (!breaker) breaker = make_breaker(*policies.breaker, fmt::format("{}-{}", policies.breaker_name, name));
  out.breaker = breaker;
  return out;
}

Resilience::App Resilience::make_app(std::string_view target) {
  const config::Policies policies = parts_.set.app(target);
  App app;
  if (policies.empty()) return app;
  app.guard = make_guard(fmt::format("endpoint[{}]", target), policies, "outbound", fmt::format("app_{}", target));
  if (policies.breaker != nullptr) {
    app.breaker = *policies.breaker;
    app.breakers = std::make_unique<Breakers>(parts_.set.max_breakers(target));
  }
  return app;
}

Protection Resilience::app(std::string_view target, std::string_view endpoint) {
  if (parts_.set.empty()) return {};
  const std::lock_guard lock(mutex_);
  App& app = apps_.find(target, [&] { return make_app(target); });
  Protection out{.guard = app.guard, .breaker = nullptr};
  if (app.breakers) {
    out.breaker = app.breakers->find(endpoint, [&] { return make_breaker(*app.breaker, std::string(endpoint)); });
  }
  return out;
}

void Resilience::shut(config::Direction direction) {
  std::vector<std::shared_ptr<Guard>> guards;
  {
    const std::lock_guard lock(mutex_);
    for (const ComponentGuard& one : components_) {
      if (one.direction == direction) guards.push_back(one.guard);
    }
  }
  for (const auto& guard : guards) guard->shut();
}

}  // namespace tandem::policy
