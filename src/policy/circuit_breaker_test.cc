#include "policy/circuit_breaker.h"

#include <gtest/gtest.h>

#include <vector>

#include "policy/backoff.h"
#include "policy/lru_cache.h"

namespace tandem::policy {
namespace {

using namespace std::chrono_literals;
using State = CircuitBreaker::State;
using Outcome = CircuitBreaker::Outcome;

class CircuitBreakerTest : public testing::Test {
 protected:
  CircuitBreaker& breaker() {
    if (!breaker_) {
      breaker_.emplace(policy_, now_, [this](State from, State to) { changes_.emplace_back(from, to); });
    }
    return *breaker_;
  }
  void call(Outcome outcome) {
    const auto ticket = breaker().admit(now_);
    ASSERT_TRUE(ticket) << ticket.error().message;
    breaker().report(*ticket, outcome, now_);
  }
  std::string refusal() {
    const auto ticket = breaker().admit(now_);
    return ticket ? "none" : ticket.error().message;
  }

  config::BreakerPolicy policy_{.timeout = 10s, .trip = *config::TripExpression::parse("consecutiveFailures > 2")};
  SteadyTime now_{1h};
  std::optional<CircuitBreaker> breaker_;
  std::vector<std::pair<State, State>> changes_;
};

TEST_F(CircuitBreakerTest, OpensWhenItsExpressionSaysSo) {
  call(Outcome::kFailure);
  call(Outcome::kFailure);
  call(Outcome::kSuccess);
  call(Outcome::kFailure);
  call(Outcome::kFailure);
  EXPECT_EQ(breaker().state(now_), State::kClosed);
  call(Outcome::kFailure);
  EXPECT_EQ(breaker().state(now_), State::kOpen);
  EXPECT_EQ(refusal(), "circuit breaker is open");
  EXPECT_TRUE(is_breaker_error(breaker().admit(now_).error()));
  EXPECT_EQ(changes_, (std::vector{std::pair(State::kClosed, State::kOpen)}));
}

TEST_F(CircuitBreakerTest, LetsSoManyThroughWhenItsTimeIsOver) {
  policy_.max_requests = 2;
  for (int i = 0; i < 3; ++i) call(Outcome::kFailure);
  now_ += 10s;
  EXPECT_EQ(refusal(), "circuit breaker is open");
  now_ += 1ms;
  EXPECT_EQ(breaker().state(now_), State::kHalfOpen);
  const auto first = breaker().admit(now_);
  const auto second = breaker().admit(now_);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(refusal(), "too many requests");
  breaker().report(*first, Outcome::kSuccess, now_);
  EXPECT_EQ(breaker().state(now_), State::kHalfOpen);
  breaker().report(*second, Outcome::kSuccess, now_);
  EXPECT_EQ(breaker().state(now_), State::kClosed);
  EXPECT_EQ(refusal(), "none");
  EXPECT_EQ(changes_.size(), 3U);
}

TEST_F(CircuitBreakerTest, OneFailureWhileHalfOpenOpensIt) {
  for (int i = 0; i < 3; ++i) call(Outcome::kFailure);
  now_ += 11s;
  call(Outcome::kFailure);
  EXPECT_EQ(breaker().state(now_), State::kOpen);
}

TEST_F(CircuitBreakerTest, AReportFromAnEarlierStateDoesNotCount) {
  const auto late = breaker().admit(now_);
  for (int i = 0; i < 3; ++i) call(Outcome::kFailure);
  now_ += 11s;
  ASSERT_EQ(breaker().state(now_), State::kHalfOpen);
  breaker().report(*late, Outcome::kFailure, now_);
  EXPECT_EQ(breaker().state(now_), State::kHalfOpen);
}

TEST_F(CircuitBreakerTest, ForgetsAfterItsInterval) {
  policy_.interval = 5s;
  call(Outcome::kFailure);
  call(Outcome::kFailure);
  now_ += 6s;
  call(Outcome::kFailure);
  call(Outcome::kFailure);
  EXPECT_EQ(breaker().state(now_), State::kClosed);
  call(Outcome::kFailure);
  EXPECT_EQ(breaker().state(now_), State::kOpen);
}

TEST(Backoff, AConstantOneEndsAfterItsRetries) {
  const config::RetryPolicy policy{.duration = 100ms, .max_retries = 2};
  Backoff backoff(policy, SteadyTime{});
  EXPECT_EQ(backoff.next(SteadyTime{}, 0.9), 100ms);
  EXPECT_EQ(backoff.next(SteadyTime{1h}, 0.1), 100ms);
  EXPECT_EQ(backoff.next(SteadyTime{1h}, 0.1), std::nullopt);
  const config::RetryPolicy none{.max_retries = 0};
  EXPECT_EQ(Backoff(none, SteadyTime{}).next(SteadyTime{}, 0), std::nullopt);
}

TEST(Backoff, AnExponentialOneGrowsToItsInterval) {
  const config::RetryPolicy policy{.kind = config::RetryPolicy::Kind::kExponential, .max_interval = 1s};
  Backoff backoff(policy, SteadyTime{});
  EXPECT_EQ(backoff.next(SteadyTime{}, 0.5), 500ms);
  EXPECT_EQ(backoff.next(SteadyTime{}, 0), 375ms);  // half of 750
  EXPECT_EQ(backoff.next(SteadyTime{}, 0.5), 1s);   // not 1125
  EXPECT_EQ(backoff.next(SteadyTime{}, 0.75), 1250ms);
  EXPECT_EQ(backoff.next(SteadyTime{14min}, 0.5), 1s);
  EXPECT_EQ(backoff.next(SteadyTime{15min}, 0.5), std::nullopt);
}

TEST(LruCache, TheOneAskedForLongestAgoMakesRoom) {
  LruCache<int> cache(2);
  int made = 0;
  const auto find = [&](std::string_view key) { return cache.find(key, [&] { return ++made; }); };
  EXPECT_EQ(find("a"), 1);
  EXPECT_EQ(find("b"), 2);
  EXPECT_EQ(find("a"), 1);
  EXPECT_EQ(find("c"), 3);
  EXPECT_EQ(find("a"), 1);
  EXPECT_EQ(find("b"), 4);
}

}  // namespace
}  // namespace tandem::policy
