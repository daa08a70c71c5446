#include "policy/guarded_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "config/duration.h"

namespace tandem::policy {
namespace {

constexpr std::string_view kScope = "tandem.resiliency";
// Go's words, which daprd's callers get.
constexpr std::string_view kTimedOut = "context deadline exceeded";
constexpr std::string_view kTimeoutReason = "POLICY_TIMEOUT";
constexpr std::chrono::milliseconds kSlack{250};

telemetry::ResiliencyMetrics::Breaker metric_of(CircuitBreaker::State state) {
  using Breaker = telemetry::ResiliencyMetrics::Breaker;
  if (state == CircuitBreaker::State::kClosed) return Breaker::kClosed;
  return state == CircuitBreaker::State::kOpen ? Breaker::kOpen : Breaker::kHalfOpen;
}

}  // namespace

bool is_timeout_error(const Error& error) { return error.reason == kTimeoutReason; }

GuardedCall::GuardedCall(Protection protection, TimedExecutor& executor, SteadyTime deadline)
    : protection_(std::move(protection)), executor_(executor), deadline_(deadline) {}

void GuardedCall::begin() {
  const SteadyTime now = guard().now();
  if (protection_.breaker) {
    guard().metrics().applied(metric_of(protection_.breaker->state(now)));
  } else {
    guard().metrics().applied();
  }
  if (guard().retry()) backoff_.emplace(*guard().retry(), now);
  try_once();
}

void GuardedCall::try_once() {
  const SteadyTime now = guard().now();
  Attempt next{.number = ++attempts_, .deadline = deadline_};
  if (protection_.breaker) {
    next.before = protection_.breaker->state(now);
    const Result<CircuitBreaker::Ticket> ticket = protection_.breaker->admit(now);
    if (!ticket) return refuse(ticket.error());
    next.ticket = *ticket;
  }
  // With its number in place before its time runs.
  current_ = next;
  pending_.store(next.number, std::memory_order_release);
  if (DeadlineList* deadlines = guard().deadlines()) {
    next.deadline = std::min(deadline_, now + guard().timeout() + kSlack);
    next.place = deadlines->add(weak_from_this(), next.number);
  }
  attempt(next);
}

GuardedCall::Next GuardedCall::ended(const Attempt& attempt, Outcome outcome, std::optional<int> status_code) {
  std::uint32_t expected = attempt.number;
  if (!pending_.compare_exchange_strong(expected, 0, std::memory_order_acq_rel)) return Next::kStale;
  if (DeadlineList* deadlines = guard().deadlines()) deadlines->remove(attempt.place);
  const SteadyTime now = guard().now();
  report(attempt, outcome, now);
  if (outcome == Outcome::kSuccess) {
    if (retried_ && guard().log() != nullptr) {
      guard().log()->info(
          kScope, fmt::format("Recovered processing operation {} after {} attempts", guard().name(), attempt.number));
    }
    return Next::kOver;
  }
  if (outcome == Outcome::kFinalFailure || !again(status_code, now)) return Next::kOver;
  return Next::kAgain;
}

void GuardedCall::expired(std::uint32_t number) {
  std::uint32_t expected = number;
  if (!pending_.compare_exchange_strong(expected, 0, std::memory_order_acq_rel)) return;
  const SteadyTime now = guard().now();
  if (!std::exchange(timed_out_, true)) guard().metrics().timed_out();
  report(current_, Outcome::kFailure, now);
  if (again(std::nullopt, now)) return;
  refuse({Code::kDeadlineExceeded, std::string(kTimeoutReason), std::string(kTimedOut)});
}

void GuardedCall::report(const Attempt& attempt, Outcome outcome, SteadyTime now) {
  if (!protection_.breaker) return;
  CircuitBreaker& breaker = *protection_.breaker;
  const bool good = outcome == Outcome::kSuccess;
  breaker.report(attempt.ticket, good ? CircuitBreaker::Outcome::kSuccess : CircuitBreaker::Outcome::kFailure, now);
  if (const auto state = breaker.state(now); state != attempt.before) guard().metrics().changed(metric_of(state));
}

bool GuardedCall::again(std::optional<int> status_code, SteadyTime now) {
  if (!backoff_ || !may_repeat()) return false;
  if (status_code && !guard().retry()->retries(*status_code)) return false;
  const auto wait = backoff_->next(now, any_chance());
  if (!wait || (deadline_ != SteadyTime::max() && deadline_ - now <= *wait)) return false;
  if (!std::exchange(retried_, true)) {
    guard().metrics().retried();
    if (guard().log() != nullptr) {
      guard().log()->warn(kScope, fmt::format("Error processing operation {}. Retrying in {}...", guard().name(),
                                              config::format_duration(*wait)));
    }
  }
  const std::uint32_t pause = attempts_;
  paused_.store(pause, std::memory_order_release);
  Task next = [self = shared_from_this(), pause] { self->go_on(pause); };
  if (wait->count() == 0 || !guard().begin_pause(shared_from_this())) {
    executor_.post(std::move(next));
  } else {
    executor_.post_after(std::chrono::ceil<std::chrono::milliseconds>(*wait), std::move(next));
  }
  return true;
}

void GuardedCall::cut_short() {
  const std::uint32_t pause = paused_.load(std::memory_order_acquire);
  if (pause != 0) executor_.post([self = shared_from_this(), pause] { self->go_on(pause); });
}

void GuardedCall::go_on(std::uint32_t pause) {
  if (!paused_.compare_exchange_strong(pause, 0, std::memory_order_acq_rel)) return;
  guard().end_pause(this);
  const auto lock = guard().enter();
  if (!lock || !may_repeat()) {
    return refuse(make_error(Code::kCancelled, "the target of the call is being closed"));
  }
  try_once();
}

}  // namespace tandem::policy
