// Which worker takes an app's next event: the one that it comes from while events cost the app less than the way to
// another thread, otherwise each in its turn.
//
// Owned by the app; any thread. An event that is not done when its call returns (a guest that waits) counts as one that
// costs much, so that those are spread. Nothing fails.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tandem::app {

class LaneChoice final {
 public:
  // What waking another thread is worth.
  static constexpr std::chrono::microseconds kWorthCrossing{50};
  // What an event counts as that goes on after its call.
  static constexpr std::chrono::microseconds kUnfinished{1'000};

  explicit LaneChoice(std::size_t lanes) : lanes_(lanes) {}

  // Whether the next event had best run where it is.
  bool stays() const {
    return cost_.load(std::memory_order_relaxed) < std::chrono::nanoseconds(kWorthCrossing).count();
  }
  // The lane of one that does not, or that comes from nobody's.
  std::size_t next() { return next_.fetch_add(1, std::memory_order_relaxed) % lanes_; }
  // One has taken so long. Two at once may count as one.
  void took(std::chrono::nanoseconds time) {
    const std::int64_t so_far = cost_.load(std::memory_order_relaxed);
    cost_.store(so_far + (time.count() - so_far) / kWeight, std::memory_order_relaxed);
  }

 private:
  static constexpr std::int64_t kWeight = 16;

  const std::size_t lanes_;
  std::atomic<std::size_t> next_{0};
  // Nanoseconds, the mean of the last events. At first nothing is known: they are spread.
  std::atomic<std::int64_t> cost_{std::chrono::nanoseconds(kUnfinished).count()};
};

}  // namespace tandem::app
