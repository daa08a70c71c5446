#include "components/state/sqlite/write_queue.h"

#include <algorithm>
#include <utility>

namespace tandem::components {
namespace {

using Clock = std::chrono::steady_clock;

// Expired rows that one transaction removes, so that writers wait only briefly.
constexpr std::int64_t kCleanupBatch = 1000;
// Dapr's allowance for two processes whose clean-ups fall together.
constexpr std::chrono::milliseconds kCleanupSlack{100};

Error closed_error() { return make_error(Code::kUnavailable, "the state store is closed"); }

}  // namespace

Result<std::unique_ptr<WriteQueue>> WriteQueue::start(std::unique_ptr<Database> database, const std::string& table,
                                                      const std::string& metadata_table,
                                                      std::chrono::milliseconds cleanup_interval, Warn warn) {
  Result<WriteStatements> statements = WriteStatements::prepare(*database, table, metadata_table);
  if (!statements) return fail(std::move(statements.error()));
  std::unique_ptr<WriteQueue> queue(
      new WriteQueue(std::move(database), std::move(*statements), cleanup_interval, std::move(warn)));
  if (Status status = queue->prepare(); !status) return fail(std::move(status.error()));
  queue->thread_ = std::thread([raw = queue.get()] { raw->run(); });
  return queue;
}

WriteQueue::WriteQueue(std::unique_ptr<Database> database, WriteStatements statements,
                       std::chrono::milliseconds cleanup_interval, Warn warn)
    : database_(std::move(database)),
      statements_(std::move(statements)),
      cleanup_interval_(cleanup_interval),
      warn_(std::move(warn)),
      next_cleanup_(cleanup_interval.count() > 0 ? Clock::now() + cleanup_interval : SteadyTime::max()) {}

WriteQueue::~WriteQueue() { close(Clock::now()); }

Status WriteQueue::prepare() {
  const std::pair<Statement*, const char*> wanted[] = {{&begin_, "BEGIN IMMEDIATE"},
                                                       {&commit_, "COMMIT"},
                                                       {&rollback_, "ROLLBACK"},
                                                       {&savepoint_, "SAVEPOINT request"},
                                                       {&rollback_to_savepoint_, "ROLLBACK TO request"},
                                                       {&release_savepoint_, "RELEASE request"}};
  for (const auto& [statement, sql] : wanted) {
    Result<Statement> prepared = database_->prepare(sql);
    if (!prepared) return fail(std::move(prepared.error()));
    *statement = std::move(*prepared);
  }
  return {};
}

void WriteQueue::submit(Work work, SteadyTime deadline, Completion<void> done) {
  std::unique_lock lock(mutex_);
  if (closed_) {
    lock.unlock();
    return done(fail(closed_error()));
  }
  if (queue_.size() >= kMaxQueued) {
    lock.unlock();
    return done(fail(Code::kResourceExhausted, "more than " + std::to_string(kMaxQueued) +
                                                   " writes wait for the SQLite file: it is too slow for this load"));
  }
  queue_.emplace_back(Request{std::move(work), deadline, std::move(done), {}});
  // With the lock held: once the request is done, its owner may end the queue before this call does.
  if (queue_.size() == 1) wake_.notify_one();
}

bool WriteQueue::submit_job(Task& job) {
  std::lock_guard lock(mutex_);
  if (closed_ || queue_.size() >= kMaxQueued) return false;
  queue_.emplace_back(std::move(job));
  if (queue_.size() == 1) wake_.notify_one();
  return true;
}

void WriteQueue::close(SteadyTime deadline) {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    close_deadline_ = deadline;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  // The thread has ended: what is left has run out of time. Jobs are quick, and must not be lost.
  for (Entry& entry : std::exchange(queue_, {})) {
    if (auto* request = std::get_if<Request>(&entry)) {
      request->done(fail(closed_error()));
    } else {
      std::get<Task>(entry)();
    }
  }
}

void WriteQueue::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    const auto ready = [this] { return closed_ || !queue_.empty(); };
    if (next_cleanup_ == SteadyTime::max()) {
      wake_.wait(lock, ready);
    } else {
      wake_.wait_until(lock, next_cleanup_, ready);
    }
    if (closed_ && (queue_.empty() || Clock::now() > close_deadline_)) return;
    std::vector<Request> group;
    std::vector<Task> jobs;
    while (!queue_.empty() && group.size() + jobs.size() < kMaxGroup) {
      if (auto* request = std::get_if<Request>(&queue_.front())) {
        group.push_back(std::move(*request));
      } else {
        jobs.push_back(std::move(std::get<Task>(queue_.front())));
      }
      queue_.pop_front();
    }
    const bool closing = closed_;
    lock.unlock();
    for (Task& job : jobs) job();
    jobs.clear();
    if (!group.empty()) run_group(std::move(group));
    if (!closing && Clock::now() >= next_cleanup_) clean_up();
    lock.lock();
  }
}

void WriteQueue::run_group(std::vector<Request> group) {
  const Status committed = commit_group(group);
  for (Request& request : group) {
    if (!committed && request.result) request.result = committed;
    request.done(std::move(request.result));
  }
}

Status WriteQueue::commit_group(std::vector<Request>& group) {
  roll_back();
  if (Status status = run_statement(begin_); !status) return status;
  for (Request& request : group) {
    if (Clock::now() > request.deadline) {
      request.result = fail(Code::kDeadlineExceeded, "the write waited for the SQLite file past its deadline");
      continue;
    }
    request.result = apply(request.work);
    // A full disk, for one, makes SQLite undo the whole transaction: nobody's write is left.
    if (!database_->in_transaction()) return request.result ? fail(database_->last_error()) : request.result;
  }
  Status status = run_statement(commit_);
  if (!status) roll_back();
  return status;
}

Status WriteQueue::apply(Work& work) {
  if (const auto* set = std::get_if<state::SetRequest>(&work)) return statements_.set(*set);
  if (const auto* remove = std::get_if<state::DeleteRequest>(&work)) return statements_.remove(*remove);
  return apply_operations(std::get<std::vector<state::Operation>>(work));
}

// One statement undoes itself when it fails, so only a list of them needs a savepoint.
Status WriteQueue::apply_operations(const std::vector<state::Operation>& operations) {
  if (operations.size() == 1) return apply_one(operations.front());
  if (Status status = run_statement(savepoint_); !status) return status;
  Status result;
  for (const state::Operation& operation : operations) {
    result = apply_one(operation);
    if (!result) break;
  }
  if (!database_->in_transaction()) return result;
  if (!result) {
    if (Status undone = run_statement(rollback_to_savepoint_); !undone) {
      // Half a request must not be committed: the whole group goes.
      roll_back();
      return undone;
    }
  }
  if (Status released = run_statement(release_savepoint_); !released) {
    roll_back();
    return released;
  }
  return result;
}

Status WriteQueue::apply_one(const state::Operation& operation) {
  if (const auto* set = std::get_if<state::SetRequest>(&operation)) return statements_.set(*set);
  return statements_.remove(std::get<state::DeleteRequest>(operation));
}

Status WriteQueue::run_statement(Statement& statement) {
  StatementUse use(statement);
  const Result<bool> row = statement.step();
  if (!row) return fail(row.error());
  return {};
}

void WriteQueue::roll_back() {
  if (!database_->in_transaction()) return;
  if (Status status = run_statement(rollback_); !status) warn_("cannot roll back: " + status.error().message);
}

void WriteQueue::clean_up() {
  if (Status status = clean_up_some(); !status) {
    roll_back();
    cleaning_ = false;
    warn_("cannot remove expired values: " + status.error().message);
  }
  next_cleanup_ = cleaning_ ? Clock::now() : Clock::now() + cleanup_interval_;
}

Status WriteQueue::clean_up_some() {
  roll_back();
  if (Status status = run_statement(begin_); !status) return status;
  if (!cleaning_) {
    const Result<bool> claimed = statements_.claim_cleanup((cleanup_interval_ - kCleanupSlack).count());
    if (!claimed) return fail(claimed.error());
    cleaning_ = *claimed;
  }
  if (cleaning_) {
    const Result<std::int64_t> removed = statements_.remove_expired(kCleanupBatch);
    if (!removed) return fail(removed.error());
    cleaning_ = *removed == kCleanupBatch;
  }
  return run_statement(commit_);
}

}  // namespace tandem::components
