// DeadlineList: the calls that may take no longer than one and the same time, in the order in which that is over.
//
// Shared by the calls of one policy. A call that ends in time is taken off, so that the list is as long as the calls
// under way are many; one timer stands for all. Any thread. Calls are told on the executor's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "base/call_context.h"
#include "base/executor.h"

namespace tandem::policy {

// Where time comes from: std::chrono::steady_clock, or a test.
using Clock = std::function<SteadyTime()>;

class DeadlineList final : public std::enable_shared_from_this<DeadlineList> {
 public:
  class Waiter {
   public:
    virtual ~Waiter() = default;
    // The time of the attempt of that number is over.
    virtual void expired(std::uint32_t attempt) = 0;
  };
  using Place = std::uint64_t;

  // `timers` and what `clock` needs outlive the list and its timer.
  static std::shared_ptr<DeadlineList> make(TimedExecutor& timers, std::chrono::nanoseconds time, Clock clock);

  Place add(std::weak_ptr<Waiter> waiter, std::uint32_t attempt);
  // Nothing happens when it is not there any more.
  void remove(Place place);

 private:
  struct Entry {
    SteadyTime due;
    std::weak_ptr<Waiter> waiter;
    std::uint32_t attempt;
  };

  DeadlineList(TimedExecutor& timers, std::chrono::nanoseconds time, Clock clock);
  void arm(std::chrono::nanoseconds wait);
  void look();

  TimedExecutor& timers_;
  const std::chrono::nanoseconds time_;
  const Clock clock_;
  std::mutex mutex_;  // of what follows
  std::map<Place, Entry> entries_;
  Place next_ = 1;
  bool armed_ = false;
};

}  // namespace tandem::policy
