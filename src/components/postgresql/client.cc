#include "components/postgresql/client.h"

#include <algorithm>
#include <utility>

#include "base/uuid.h"

namespace tandem::components::postgresql {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kFirstBackOff{50};
constexpr milliseconds kLastBackOff{2'000};

// libpq would send such a text up to the NUL; the server refuses it in these words.
bool holds_nul(const Batch& batch) {
  for (const Statement& statement : batch.statements) {
    for (std::size_t i = 0; i < statement.values.size(); ++i) {
      const Value& value = statement.values[i];
      if (statement.text->types[i] != Type::kBytea && value && value->find('\0') != std::string::npos) return true;
    }
  }
  return false;
}

Outcome failed(Code code, std::string message) {
  return {.rows = {}, .failure = Failure{.error = make_error(code, std::move(message))}};
}

}  // namespace

Client::Client(ConnectionSettings settings, Report report)
    : settings_(std::move(settings)), report_(std::move(report)) {
  workers_.start();
}

Client::~Client() { close(Clock::now()); }

void Client::run(Batch batch, SteadyTime deadline, BatchDone done) {
  if (batch.pace == Pace::kQuick) deadline = std::min(deadline, Clock::now() + settings_.timeout);
  if (holds_nul(batch)) {
    return done(failed(Code::kInternal, "ERROR: invalid byte sequence for encoding \"UTF8\": 0x00 (SQLSTATE 22021)"));
  }
  auto job = std::make_unique<Job>(std::move(batch), deadline, std::move(done));
  std::unique_lock lock(mutex_);
  if (closed_ || incoming_.size() >= kMaxWaiting) {
    const bool closed = closed_;
    lock.unlock();
    return job->fail_with(closed ? make_error(Code::kUnavailable, "the connections to PostgreSQL are closed")
                                 : make_error(Code::kResourceExhausted, "too many requests wait for PostgreSQL"));
  }
  incoming_.push_back(std::move(job));
  if (incoming_.size() == 1) worker_.post([this] { take_incoming(); });
}

Outcome Client::run_and_wait(Batch batch, SteadyTime deadline) {
  std::promise<Outcome> promise;
  std::future<Outcome> future = promise.get_future();
  run(std::move(batch), deadline, [&promise](Outcome outcome) { promise.set_value(std::move(outcome)); });
  return future.get();
}

void Client::take_incoming() {
  std::vector<std::unique_ptr<Job>> taken;
  {
    std::lock_guard lock(mutex_);
    taken.swap(incoming_);
  }
  const SteadyTime now = Clock::now();
  for (std::unique_ptr<Job>& job : taken) {
    if (job->deadline <= now) {
      job->fail_with(make_error(Code::kDeadlineExceeded, "the deadline has passed before PostgreSQL was asked"));
    } else if (waiting_.size() >= kMaxWaiting) {
      job->fail_with(make_error(Code::kResourceExhausted, "too many requests wait for PostgreSQL"));
    } else {
      job->watcher = this;
      if (job->deadline != SteadyTime::max()) worker_.timeouts().arm(*job, job->deadline);
      waiting_.push_back(std::move(job));
    }
  }
  dispatch();
}

// ---- handing batches to connections

void Client::dispatch() {
  // A connection may end, or make room, while it is given a batch.
  dispatch_again_ = true;
  if (dispatching_) return;
  dispatching_ = true;
  while (std::exchange(dispatch_again_, false)) dispatch_once();
  dispatching_ = false;
  answer_if_drained();
}

void Client::dispatch_once() {
  bool crowded = false;
  while (!waiting_.empty()) {
    Connection* const connection = best_for(*waiting_.front());
    if (connection == nullptr) break;
    crowded = crowded || connection->load() > 0;
    std::unique_ptr<Job> job = std::move(waiting_.front());
    waiting_.pop_front();
    connection->send(std::move(job));
  }
  if (crowded || !waiting_.empty()) open_another();
}

Connection* Client::best_for(const Job& job) {
  Connection* best = nullptr;
  for (const std::unique_ptr<Connection>& connection : connections_) {
    if (connection->takes(job) && (best == nullptr || connection->load() < best->load())) best = connection.get();
  }
  return best;
}

void Client::open_another() {
  const bool connecting = std::ranges::any_of(connections_, [](const auto& one) { return !one->was_open(); });
  if (connecting || connections_.size() >= settings_.max_connections) return;
  const auto pause = std::chrono::ceil<milliseconds>(next_attempt_ - Clock::now());
  if (pause > milliseconds(0)) {
    if (std::exchange(reopening_, true)) return;
    worker_.post_after(pause, [this] {
      reopening_ = false;
      dispatch();
    });
    return;
  }
  connections_.push_back(std::make_unique<Connection>(worker_, settings_, static_cast<Connection::Owner&>(*this)));
  connections_.back()->connect();
}

// ---- what connections say

void Client::on_open(Connection&) {
  back_off_ = milliseconds(0);
  next_attempt_ = {};
  was_there_ = true;
  if (std::exchange(away_, false) && report_) report_("PostgreSQL at " + settings_.shown + " is back");
  dispatch();
}

void Client::on_progress(Connection&) { dispatch(); }

void Client::on_end(Connection& connection, Error why, std::vector<std::unique_ptr<Job>> unanswered) {
  const auto found = std::ranges::find(connections_, &connection, &std::unique_ptr<Connection>::get);
  // It is in the middle of a call of its own.
  std::shared_ptr<Connection> ended(std::move(*found));
  connections_.erase(found);
  worker_.post([ended = std::move(ended)] {});
  const bool could_not_open = !connection.was_open();
  // In front, in their order: they came before those that wait.
  for (auto job = unanswered.rbegin(); job != unanswered.rend(); ++job) {
    if ((*job)->batch.effect == Effect::kReads && !(*job)->sent_again && !(*job)->gave_rows) {
      (*job)->sent_again = true;
      waiting_.push_front(std::move(*job));
    } else {
      (*job)->fail_with(why);
    }
  }
  if (could_not_open) {
    back_off_ = std::clamp(back_off_ * 2, kFirstBackOff, kLastBackOff);
    // Between half of it and all: processes that lost the same server do not come back at once.
    const milliseconds pause = back_off_ / 2 + milliseconds(random_bits() % (back_off_.count() / 2 + 1));
    next_attempt_ = Clock::now() + pause;
    const bool has_open = std::ranges::any_of(connections_, [](const auto& one) { return one->open(); });
    if (!has_open) {
      if (was_there_ && !std::exchange(away_, true) && report_) report_(why.message + "; trying again");
      fail_waiting(why);
    }
  }
  dispatch();
}

void Client::on_job_late(Job& job) {
  for (auto at = waiting_.begin(); at != waiting_.end(); ++at) {
    if (at->get() != &job) continue;
    waiting_.erase(at);
    return dispatch();
  }
  for (const std::unique_ptr<Connection>& connection : connections_) {
    if (connection->on_late(job)) break;
  }
  dispatch();
}

void Client::fail_waiting(const Error& why) {
  for (std::unique_ptr<Job>& job : std::exchange(waiting_, {})) job->fail_with(why);
}

// ---- the end

void Client::answer_if_drained() {
  if (drained_ == nullptr || !waiting_.empty()) return;
  for (const std::unique_ptr<Connection>& connection : connections_) {
    if (connection->load() > 0) return;
  }
  std::exchange(drained_, nullptr)->set_value();
}

void Client::close(SteadyTime deadline) {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(closed_, true)) return;
  }
  auto drained = std::make_shared<std::promise<void>>();
  std::future<void> future = drained->get_future();
  worker_.post([this, drained] {
    drained_ = drained;
    take_incoming();
  });
  future.wait_until(deadline);
  workers_.stop();
  const Error why = make_error(Code::kUnavailable, "the connections to PostgreSQL are closed");
  for (std::unique_ptr<Job>& job : incoming_) job->fail_with(why);
  incoming_.clear();
  fail_waiting(why);
  for (const std::unique_ptr<Connection>& connection : connections_) connection->abandon(why);
  connections_.clear();
}

}  // namespace tandem::components::postgresql
