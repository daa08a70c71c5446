// CircuitBreaker: keeps calls from a target that fails, and lets a few through after a while to see whether it is well
// again.
//
// Behaves as daprd's does: closed, it counts and opens when its policy's expression says so after a failure; open, it
// refuses for the policy's timeout; then half open, it lets maxRequests calls through, closes when all of them succeed
// and opens at the first that fails. One a process and target, shared by whoever calls it. Any thread; time is the
// caller's, who hands it in.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>

#include "base/call_context.h"
#include "base/result.h"
#include "config/resiliency.h"

namespace tandem::policy {

class CircuitBreaker final {
 public:
  enum class State { kClosed, kHalfOpen, kOpen };
  enum class Outcome { kSuccess, kFailure };
  // Of a call that was let through: a later report of it counts only while the state is still the one it began in.
  using Ticket = std::uint64_t;
  // Hears of every change, outside of any lock.
  using Listener = std::function<void(State from, State to)>;

  CircuitBreaker(config::BreakerPolicy policy, SteadyTime now, Listener changed = {});

  // Fails with daprd's words: kUnavailable, "circuit breaker is open" or "too many requests".
  Result<Ticket> admit(SteadyTime now);
  void report(Ticket ticket, Outcome outcome, SteadyTime now);
  State state(SteadyTime now);

 private:
  // Under the mutex. What time alone has changed since the last look.
  void look(SteadyTime now);
  void go_to(State state, SteadyTime now);
  void begin(SteadyTime now);
  // Unlocks, then tells what has changed since `before`.
  void tell(State before, std::unique_lock<std::mutex>& lock);

  const config::BreakerPolicy policy_;
  const Listener changed_;
  std::mutex mutex_;
  State state_ = State::kClosed;
  Ticket generation_ = 0;
  config::BreakerCounts counts_;
  SteadyTime expires_;  // of the state, or of the counts; max(): never
};

// "closed", "half-open", "open".
std::string_view name_of(CircuitBreaker::State state);

// Whether an error is a breaker's: no use in trying again.
bool is_breaker_error(const Error& error);

}  // namespace tandem::policy
