// Backoff: how long to wait before each further attempt of one call, by its retry policy.
//
// As daprd's: constant, or growing by half from 500 ms to maxInterval, each time up to a half shorter or longer, and no
// more after fifteen minutes. One a call; one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/call_context.h"
#include "config/resiliency.h"

namespace tandem::policy {

class Backoff final {
 public:
  // `policy` outlives it.
  Backoff(const config::RetryPolicy& policy, SteadyTime now) : policy_(policy), started_(now) {}

  // The wait before the next attempt; none: there is none. `chance` is in [0, 1).
  std::optional<std::chrono::nanoseconds> next(SteadyTime now, double chance);

 private:
  static constexpr std::chrono::milliseconds kFirst{500};

  const config::RetryPolicy& policy_;
  const SteadyTime started_;
  std::int64_t retries_ = 0;
  std::chrono::nanoseconds interval_ = kFirst;
};

// A number in [0, 1), another one each time. Any thread.
double any_chance();

}  // namespace tandem::policy
