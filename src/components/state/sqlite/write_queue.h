// WriteQueue: the one writer of a SQLite file, with group commit.
//
// Requests from any thread queue up; the writer's thread takes all that wait, runs them in one transaction, commits
// once and only then completes each. A request that fails (ETag) is undone alone. A failure that undoes the
// transaction, or the commit itself, fails all of the group; the queue goes on. Completions run on the writer's thread,
// except for a request that is refused at once (queue full, closed), whose completion runs in place. It also removes
// expired rows, between groups.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "base/call_context.h"
#include "base/completion.h"
#include "blocks/state/state_store.h"
#include "components/state/sqlite/database.h"
#include "components/state/sqlite/statements.h"

namespace tandem::components {

class WriteQueue final {
 public:
  // Waiting requests; further ones fail with kResourceExhausted.
  static constexpr std::size_t kMaxQueued = 16'384;
  // Requests in one commit.
  static constexpr std::size_t kMaxGroup = 512;

  // Several operations succeed or fail together.
  using Work = std::variant<state::SetRequest, state::DeleteRequest, std::vector<state::Operation>>;
  // Called with what went wrong in the background, on the writer's thread.
  using Warn = std::function<void(const std::string&)>;

  // Takes the connection over and starts the thread.
  static Result<std::unique_ptr<WriteQueue>> start(std::unique_ptr<Database> database, const std::string& table,
                                                   const std::string& metadata_table,
                                                   std::chrono::milliseconds cleanup_interval, Warn warn);
  ~WriteQueue();

  // A request that has not begun by `deadline` fails with kDeadlineExceeded.
  void submit(Work work, SteadyTime deadline, Completion<void> done);
  // Runs `job` on the writer's thread (or in close()) outside any transaction: reads of a database that has one
  // connection only. False, and `job` is untouched, when the queue is full or closed.
  [[nodiscard]] bool submit_job(Task& job);

  // Refuses new requests, finishes what waits, fails what is left at `deadline`, and ends the thread.
  void close(SteadyTime deadline);

 private:
  struct Request {
    Work work;
    SteadyTime deadline;
    Completion<void> done;
    Status result;
  };
  using Entry = std::variant<Request, Task>;

  WriteQueue(std::unique_ptr<Database> database, WriteStatements statements, std::chrono::milliseconds cleanup_interval,
             Warn warn);
  Status prepare();
  void run();
  void run_group(std::vector<Request> group);
  // Begins, applies and commits. Fails when nothing of the group has come to stay.
  Status commit_group(std::vector<Request>& group);
  Status apply(Work& work);
  Status apply_operations(const std::vector<state::Operation>& operations);
  Status apply_one(const state::Operation& operation);
  Status run_statement(Statement& statement);
  void roll_back();
  void clean_up();
  Status clean_up_some();

  const std::unique_ptr<Database> database_;
  WriteStatements statements_;
  Statement begin_;
  Statement commit_;
  Statement rollback_;
  Statement savepoint_;
  Statement rollback_to_savepoint_;
  Statement release_savepoint_;
  const std::chrono::milliseconds cleanup_interval_;
  const Warn warn_;

  // The writer's thread only.
  SteadyTime next_cleanup_;
  bool cleaning_ = false;  // claimed, and rows may be left

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Entry> queue_;
  bool closed_ = false;
  SteadyTime close_deadline_ = SteadyTime::max();
  std::thread thread_;
};

}  // namespace tandem::components
