#include "components/kafka/retry_delay.h"

#include <gtest/gtest.h>

namespace tandem::components::kafka {
namespace {

using std::chrono::milliseconds;
const auto kNow = std::chrono::steady_clock::time_point() + std::chrono::hours(1);

TEST(RetryDelayTest, ConstantForEverByDefault) {
  RetryDelay delay;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(delay.next({}, kNow + i * std::chrono::hours(1)), milliseconds(5'000));
}

TEST(RetryDelayTest, NoMoreThanAllowed) {
  RetryDelay delay;
  const RetryOptions options{.max_retries = 2};
  EXPECT_TRUE(delay.next(options, kNow));
  EXPECT_TRUE(delay.next(options, kNow));
  EXPECT_FALSE(delay.next(options, kNow));
  EXPECT_FALSE(RetryDelay().next({.enabled = false}, kNow));
}

TEST(RetryDelayTest, ExponentialUpToTheLongest) {
  RetryDelay delay;
  const RetryOptions options{.policy = RetryOptions::Policy::kExponential,
                             .initial_interval = milliseconds(100),
                             .max_interval = milliseconds(300),
                             .multiplier = 2,
                             .randomization_factor = 0};
  EXPECT_EQ(delay.next(options, kNow), milliseconds(100));
  EXPECT_EQ(delay.next(options, kNow), milliseconds(200));
  EXPECT_EQ(delay.next(options, kNow), milliseconds(300));
  EXPECT_EQ(delay.next(options, kNow), milliseconds(300));
  EXPECT_FALSE(delay.next(options, kNow + options.max_elapsed));
}

TEST(RetryDelayTest, SpreadAroundTheInterval) {
  const RetryOptions options{.policy = RetryOptions::Policy::kExponential,
                             .initial_interval = milliseconds(1'000),
                             .randomization_factor = 0.5};
  for (int i = 0; i < 100; ++i) {
    const auto delay = RetryDelay().next(options, kNow);
    ASSERT_TRUE(delay);
    EXPECT_GE(*delay, milliseconds(500));
    EXPECT_LE(*delay, milliseconds(1'500));
  }
}

}  // namespace
}  // namespace tandem::components::kafka
