#include "policy/backoff.h"

#include <algorithm>
#include <random>

namespace tandem::policy {
namespace {

using std::chrono::nanoseconds;

constexpr double kGrowth = 1.5;
constexpr double kSpread = 0.5;
constexpr std::chrono::minutes kLongest{15};

}  // namespace

std::optional<nanoseconds> Backoff::next(SteadyTime now, double chance) {
  if (policy_.max_retries >= 0 && retries_ >= policy_.max_retries) return std::nullopt;
  ++retries_;
  if (policy_.kind == config::RetryPolicy::Kind::kConstant) return policy_.duration;
  const auto middle = static_cast<double>(interval_.count());
  const nanoseconds wait(static_cast<std::int64_t>(middle * (1 - kSpread + 2 * kSpread * chance)));
  const auto longest = static_cast<double>(policy_.max_interval.count());
  interval_ = nanoseconds(static_cast<std::int64_t>(std::min(middle * kGrowth, longest)));
  if (now - started_ + wait > kLongest) return std::nullopt;
  return wait;
}

double any_chance() {
  thread_local std::minstd_rand engine(std::random_device{}());
  return std::uniform_real_distribution<double>(0, 1)(engine);
}

}  // namespace tandem::policy
