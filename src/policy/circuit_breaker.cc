#include "policy/circuit_breaker.h"

#include <utility>

namespace tandem::policy {
namespace {

constexpr std::string_view kReason = "CIRCUIT_BREAKER";

std::unexpected<Error> refuse(std::string_view why) {
  return fail(Code::kUnavailable, std::string(kReason), std::string(why));
}

}  // namespace

CircuitBreaker::CircuitBreaker(config::BreakerPolicy policy, SteadyTime now, Listener changed)
    : policy_(std::move(policy)), changed_(std::move(changed)) {
  begin(now);
}

Result<CircuitBreaker::Ticket> CircuitBreaker::admit(SteadyTime now) {
  std::unique_lock lock(mutex_);
  const State before = state_;
  look(now);
  Result<Ticket> ticket = generation_;
  if (state_ == State::kOpen) {
    ticket = refuse("circuit breaker is open");
  } else if (state_ == State::kHalfOpen && counts_.requests >= policy_.max_requests) {
    ticket = refuse("too many requests");
  } else {
    ++counts_.requests;
  }
  tell(before, lock);
  return ticket;
}

void CircuitBreaker::report(Ticket ticket, Outcome outcome, SteadyTime now) {
  std::unique_lock lock(mutex_);
  const State before = state_;
  look(now);
  if (ticket == generation_) {
    if (outcome == Outcome::kSuccess) {
      ++counts_.total_successes;
      ++counts_.consecutive_successes;
      counts_.consecutive_failures = 0;
      if (state_ == State::kHalfOpen && counts_.consecutive_successes >= policy_.max_requests) {
        go_to(State::kClosed, now);
      }
    } else {
      ++counts_.total_failures;
      ++counts_.consecutive_failures;
      counts_.consecutive_successes = 0;
      if (state_ == State::kHalfOpen || policy_.trip.trips(counts_)) go_to(State::kOpen, now);
    }
  }
  tell(before, lock);
}

CircuitBreaker::State CircuitBreaker::state(SteadyTime now) {
  std::unique_lock lock(mutex_);
  const State before = state_;
  look(now);
  const State after = state_;
  tell(before, lock);
  return after;
}

void CircuitBreaker::look(SteadyTime now) {
  if (expires_ == SteadyTime::max() || now <= expires_) return;
  if (state_ == State::kOpen) {
    go_to(State::kHalfOpen, now);
  } else {
    begin(now);
  }
}

void CircuitBreaker::go_to(State state, SteadyTime now) {
  state_ = state;
  begin(now);
}

void CircuitBreaker::begin(SteadyTime now) {
  ++generation_;
  counts_ = {};
  expires_ = SteadyTime::max();
  if (state_ == State::kOpen) expires_ = now + policy_.timeout;
  if (state_ == State::kClosed && policy_.interval.count() > 0) expires_ = now + policy_.interval;
}

void CircuitBreaker::tell(State before, std::unique_lock<std::mutex>& lock) {
  const State after = state_;
  lock.unlock();
  if (before != after && changed_) changed_(before, after);
}

std::string_view name_of(CircuitBreaker::State state) {
  switch (state) {
    case CircuitBreaker::State::kClosed: return "closed";
    case CircuitBreaker::State::kHalfOpen: return "half-open";
    case CircuitBreaker::State::kOpen: return "open";
  }
  return "unknown";
}

bool is_breaker_error(const Error& error) { return error.reason == kReason; }

}  // namespace tandem::policy
