// GuardedCall: one call under policies, as daprd nests them: retries around a circuit breaker around a time-out.
//
// What an attempt is, is the derived class's matter: guarded_operation.h has operations with a completion,
// guarded_invocation.h invocations. Held by whoever may still end an attempt, or begin the next. The ends of attempts
// may come on any thread, also late or never: the first end of the attempt under way counts, and a time-out is one.
// Nothing here waits; a further attempt begins as a task of the executor.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/executor.h"
#include "policy/backoff.h"
#include "policy/guard.h"

namespace tandem::policy {

// Whether an error says that a policy's time-out has struck.
bool is_timeout_error(const Error& error);

class GuardedCall : public DeadlineList::Waiter,
                    public Guard::Pausing,
                    public std::enable_shared_from_this<GuardedCall> {
 public:
  void expired(std::uint32_t attempt) override;
  void cut_short() override;

 protected:
  struct Attempt {
    std::uint32_t number = 0;
    // When the attempt's own time is over, with a little more: the time-out here comes before what others make of it.
    SteadyTime deadline;
    DeadlineList::Place place = 0;
    CircuitBreaker::Ticket ticket = 0;
    CircuitBreaker::State before = CircuitBreaker::State::kClosed;
  };
  enum class Outcome { kSuccess, kFailure, kFinalFailure };  // final: another attempt would not help
  enum class Next { kStale, kAgain, kOver };

  // `deadline` is the caller's: no attempt begins after it. Retries begin on `executor`.
  GuardedCall(Protection protection, TimedExecutor& executor, SteadyTime deadline);

  // The first attempt, inside this call.
  void begin();

  // Begins what takes the attempt's place; its end is told by ended(), once.
  virtual void attempt(const Attempt& attempt) = 0;
  // The call is over without an answer of the target's.
  virtual void refuse(Error error) = 0;
  // Whether a further attempt makes sense at this moment.
  virtual bool may_repeat() { return true; }

  // What follows from an attempt's end. kStale: it had ended, its answer is nobody's; kAgain: there will be another
  // one; kOver: the answer is the call's. `status_code` is what a retry's `matching` looks at: HTTP's or gRPC's.
  Next ended(const Attempt& attempt, Outcome outcome, std::optional<int> status_code = std::nullopt);
  bool is_under_way(const Attempt& attempt) const { return pending_.load(std::memory_order_acquire) == attempt.number; }
  Guard& guard() { return *protection_.guard; }
  TimedExecutor& executor() { return executor_; }

 private:
  void try_once();
  void report(const Attempt& attempt, Outcome outcome, SteadyTime now);
  // The end of a pause, by its time or cut short: whichever comes first.
  void go_on(std::uint32_t pause);
  // Whether another attempt follows.
  bool again(std::optional<int> status_code, SteadyTime now);

  const Protection protection_;
  TimedExecutor& executor_;
  const SteadyTime deadline_;
  std::optional<Backoff> backoff_;
  std::uint32_t attempts_ = 0;
  std::atomic<std::uint32_t> pending_{0};  // the attempt under way; 0: none
  std::atomic<std::uint32_t> paused_{0};   // behind that attempt; 0: not
  Attempt current_;
  bool timed_out_ = false;
  bool retried_ = false;
};

}  // namespace tandem::policy
