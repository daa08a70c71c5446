// Resilience: all resiliency policies of one app, as its Resiliency resources have them, and the state that they keep.
//
// One an app and process, as it would have a daprd of its own: the breakers are the app's, whichever worker or door a
// call comes through. Made by the server before the workers start; outlives them. Any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "policy/guard.h"
#include "policy/lru_cache.h"
#include "telemetry/metrics.h"

namespace tandem::policy {

class Resilience final {
 public:
  struct Parts {
    std::string app_id;
    config::ResiliencySet set;
    telemetry::Metrics& metrics;  // it, and `timers`, outlive the calls
    TimedExecutor& timers;
    const Logger* log = nullptr;
    Clock clock = std::chrono::steady_clock::now;
  };

  explicit Resilience(Parts parts);

  // Of a component by its name; empty: no policies. The same again for the component that takes its place.
  Protection component(const std::string& name, config::TargetKind kind, config::Direction direction);
  // Of what is invoked by `target`, an app id, a name or a URL; `endpoint` is the part of it that has a breaker of its
  // own.
  Protection app(std::string_view target, std::string_view endpoint);
  // Whether an app is named as a target: its calls are not retried besides.
  bool names_app(std::string_view app_id) const { return parts_.set.names_app(app_id); }

  // No further attempts at events, or at components: before the one stops, and the others close.
  void shut(config::Direction direction);

 private:
  using Breakers = LruCache<std::shared_ptr<CircuitBreaker>>;
  struct App {
    std::shared_ptr<Guard> guard;  // null: no policies
    std::optional<config::BreakerPolicy> breaker;
    std::unique_ptr<Breakers> breakers;  // by endpoint
  };
  // Names come from clients.
  static constexpr std::size_t kMaxApps = 1000;

  std::shared_ptr<Guard> make_guard(std::string name, const config::Policies& policies, std::string_view direction,
                                    std::string target);
  std::shared_ptr<CircuitBreaker> make_breaker(const config::BreakerPolicy& policy, std::string name);
  App make_app(std::string_view target);

  const Parts parts_;
  std::optional<Logger> log_;  // the app's
  std::mutex mutex_;           // of what follows
  LruCache<App> apps_{kMaxApps};
  // By the component's name: as in daprd, one for both directions.
  std::map<std::string, std::shared_ptr<CircuitBreaker>, std::less<>> component_breakers_;
  struct ComponentGuard {
    std::string name;
    config::TargetKind kind;
    config::Direction direction;
    std::shared_ptr<Guard> guard;
  };
  std::vector<ComponentGuard> components_;
};

}  // namespace tandem::policy
