// How long a refused message waits before it is tried again: Dapr's `backOff…`, one object a message.
//
// One thread. Nothing fails: nullopt is the end of the tries.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>

#include "components/kafka/kafka_options.h"

namespace tandem::components::kafka {

class RetryDelay final {
 public:
  // The time until the next try; `now` is when the last one failed.
  std::optional<std::chrono::milliseconds> next(const RetryOptions& options,
                                                std::chrono::steady_clock::time_point now) {
    if (!options.enabled || (options.max_retries >= 0 && tries_ >= options.max_retries)) return std::nullopt;
    if (tries_++ == 0) {
      first_ = now;
      interval_ = std::chrono::duration<double, std::milli>(options.initial_interval);
    }
    if (options.policy == RetryOptions::Policy::kConstant) return options.duration;
    const std::chrono::duration<double, std::milli> longest = options.max_interval;
    const double spread = options.randomization_factor;
    static thread_local std::minstd_rand random{std::random_device()()};
    const double factor = std::uniform_real_distribution<double>(1 - spread, 1 + spread)(random);
    const auto delay = std::chrono::duration_cast<std::chrono::milliseconds>(interval_ * factor);
    interval_ = std::min(interval_ * options.multiplier, longest);
    if (options.max_elapsed.count() > 0 && now - first_ + delay > options.max_elapsed) return std::nullopt;
    return delay;
  }

 private:
  std::int64_t tries_ = 0;
  std::chrono::steady_clock::time_point first_;
  std::chrono::duration<double, std::milli> interval_{0};
};

}  // namespace tandem::components::kafka
