// Client: a component's way to a PostgreSQL server: a few connections with pipelined statements, opened when they are
// needed and again when they break, with a back-off.
//
// The component owns it, and it owns the thread on which its sockets are served: workers only hand batches over. run()
// from any thread; the completion runs on the client's thread, once. A batch that finds no connection waits until the
// next attempt has failed, or its deadline. Answers: see batch.h.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/call_context.h"
#include "components/postgresql/batch.h"
#include "components/postgresql/connection.h"
#include "components/postgresql/connection_settings.h"
#include "net/worker.h"

namespace tandem::components::postgresql {

class Client final : private Connection::Owner, private Job::Watcher {
 public:
  // Batches that wait for a connection; further ones fail with kResourceExhausted.
  static constexpr std::size_t kMaxWaiting = 16'384;

  // Hears, on the client's thread, that a server that was there is away, and that it is back.
  using Report = std::function<void(const std::string&)>;

  // Starts the thread. The first batch opens the first connection.
  explicit Client(ConnectionSettings settings, Report report = nullptr);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  // As close(), without patience.
  ~Client();

  // The batch ends at `deadline`, and no later than the settings' timeout from now unless it is a long one.
  void run(Batch batch, SteadyTime deadline, BatchDone done);
  // The same, and waits for it. Not on the client's thread.
  Outcome run_and_wait(Batch batch, SteadyTime deadline);

  // Tasks run on the client's thread, between its own.
  TimedExecutor& loop() { return worker_; }
  const ConnectionSettings& settings() const { return settings_; }

  // Refuses new batches, lets those under way end until `deadline`, fails the rest, and ends the thread. Not on it.
  void close(SteadyTime deadline);

 private:
  void take_incoming();
  void dispatch();
  void dispatch_once();
  Connection* best_for(const Job& job);
  void open_another();
  void fail_waiting(const Error& why);
  void answer_if_drained();

  void on_open(Connection& connection) override;
  void on_progress(Connection& connection) override;
  void on_undone(std::unique_ptr<Job> job) override { waiting_.push_front(std::move(job)); }
  void on_end(Connection& connection, Error why, std::vector<std::unique_ptr<Job>> unanswered) override;
  void on_job_late(Job& job) override;

  const ConnectionSettings settings_;
  const Report report_;
  net::Workers workers_{1};
  net::Worker& worker_{workers_[0]};

  std::mutex mutex_;
  std::vector<std::unique_ptr<Job>> incoming_;
  bool closed_ = false;

  // The client's thread only, and close() after it has ended.
  std::deque<std::unique_ptr<Job>> waiting_;
  std::vector<std::unique_ptr<Connection>> connections_;
  bool dispatching_ = false;
  bool dispatch_again_ = false;
  bool was_there_ = false;
  bool away_ = false;
  bool reopening_ = false;  // a timer will look for waiting batches again
  std::chrono::milliseconds back_off_{0};
  SteadyTime next_attempt_{};
  std::shared_ptr<std::promise<void>> drained_;
};

}  // namespace tandem::components::postgresql
