// Guard: the policies of one target of an app, and what they share between its calls.
//
// Owned by the app's Resilience and by the calls under way. Any thread. What it refers to outlives the executors' last
// task.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <utility>

#include "base/log.h"
#include "policy/circuit_breaker.h"
#include "policy/deadline_list.h"
#include "telemetry/resiliency_metrics.h"

namespace tandem::policy {

struct GuardParts {
  std::string name;  // for the log: "component[shelf] output"
  config::Policies policies;
  telemetry::ResiliencyMetrics metrics;
  TimedExecutor& timers;
  Clock clock;
  const Logger* log = nullptr;
};

class Guard final {
 public:
  // Of the policies' breaker only that there is one: which one a call goes through, Resilience says.
  explicit Guard(GuardParts parts)
      : name_(std::move(parts.name)),
        timers_(parts.timers),
        clock_(std::move(parts.clock)),
        log_(parts.log),
        metrics_(parts.metrics) {
    if (parts.policies.retry != nullptr) retry_ = *parts.policies.retry;
    if (parts.policies.timeout.count() > 0) {
      timeout_ = parts.policies.timeout;
      deadlines_ = DeadlineList::make(timers_, timeout_, clock_);
    }
  }

  const std::string& name() const { return name_; }
  TimedExecutor& timers() const { return timers_; }
  SteadyTime now() const { return clock_(); }
  const Logger* log() const { return log_; }
  const std::optional<config::RetryPolicy>& retry() const { return retry_; }
  std::chrono::nanoseconds timeout() const { return timeout_; }  // 0: none
  DeadlineList* deadlines() const { return deadlines_.get(); }   // null: no time-out
  telemetry::ResiliencyMetrics& metrics() { return metrics_; }

  // A call between two attempts.
  class Pausing {
   public:
    virtual ~Pausing() = default;
    // It need not wait any longer: there will be no attempt.
    virtual void cut_short() = 0;
  };
  // False: no pause makes sense any more.
  bool begin_pause(std::shared_ptr<Pausing> call) {
    const std::lock_guard lock(pauses_mutex_);
    if (pauses_cut_) return false;
    Pausing* const key = call.get();
    pauses_.insert_or_assign(key, std::move(call));
    return true;
  }
  void end_pause(Pausing* call) {
    const std::lock_guard lock(pauses_mutex_);
    pauses_.erase(call);
  }

  // No further attempts begin, and calls that wait for theirs end now: before the target is closed. Waits for one that
  // is just beginning.
  void shut() {
    {
      const std::unique_lock lock(gate_);
      shut_ = true;
    }
    std::map<Pausing*, std::weak_ptr<Pausing>> cut;
    {
      const std::lock_guard lock(pauses_mutex_);
      pauses_cut_ = true;
      cut.swap(pauses_);
    }
    for (const auto& [key, call] : cut) {
      if (const auto waiting = call.lock()) waiting->cut_short();
    }
  }
  // Held while a further attempt begins; nothing when there may be none.
  std::optional<std::shared_lock<std::shared_mutex>> enter() {
    std::shared_lock lock(gate_);
    if (shut_) return std::nullopt;
    return lock;
  }

 private:
  const std::string name_;
  TimedExecutor& timers_;
  const Clock clock_;
  const Logger* const log_;
  telemetry::ResiliencyMetrics metrics_;
  std::optional<config::RetryPolicy> retry_;
  std::chrono::nanoseconds timeout_{0};
  std::shared_ptr<DeadlineList> deadlines_;
  std::shared_mutex gate_;
  bool shut_ = false;
  std::mutex pauses_mutex_;  // of what follows
  bool pauses_cut_ = false;
  std::map<Pausing*, std::weak_ptr<Pausing>> pauses_;
};

// What a call goes by: the guard of its target, and the breaker of the part of it that is called.
struct Protection {
  std::shared_ptr<Guard> guard;             // null: no policies
  std::shared_ptr<CircuitBreaker> breaker;  // null: none

  explicit operator bool() const { return guard != nullptr; }
};

}  // namespace tandem::policy
