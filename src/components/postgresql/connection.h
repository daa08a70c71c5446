// Connection: one connection to PostgreSQL over libpq, which is told what to do and never blocks: names are looked up
// before libpq sees them, connecting and TLS go step by step, statements are sent without waiting for the answers of
// those before (pipeline mode).
//
// Owned by its Client, on the client's loop only. Every job that it was given is answered, or handed back to the owner
// when the connection ends; then it is dead, and the owner destroys it later, not inside the call.
#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "components/postgresql/connection_settings.h"
#include "components/postgresql/interruption.h"
#include "components/postgresql/job.h"
#include "net/fd_watch.h"
#include "net/worker.h"

namespace tandem::components::postgresql {

class Connection final : private net::TimeoutEntry {
 public:
  class Owner {
   public:
    virtual void on_open(Connection& connection) = 0;
    // A job was answered: there is room for another.
    virtual void on_progress(Connection& connection) = 0;
    // The server undid it on behalf of another job: it can be sent again as if it never had been.
    virtual void on_undone(std::unique_ptr<Job> job) = 0;
    // It could not be opened, broke, or was closed after idling. `unanswered` were on it.
    virtual void on_end(Connection& connection, Error why, std::vector<std::unique_ptr<Job>> unanswered) = 0;

   protected:
    ~Owner() = default;
  };

  Connection(net::Worker& worker, const ConnectionSettings& settings, Owner& owner);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // Once. The owner hears what came of it, perhaps inside this call.
  void connect() { try_server(0); }

  bool open() const { return phase_ == Phase::kOpen; }
  bool was_open() const { return opened_at_ != SteadyTime(); }
  std::size_t load() const { return jobs_.size(); }
  // False while it is connecting, full, kept for a long batch, or about to be closed.
  bool takes(const Job& job) const;
  // What takes() allows. May end the connection.
  void send(std::unique_ptr<Job> job);

  // The time of a job on it is over. A write is kept from happening after all: its statement is cancelled at the
  // server, and where it has not begun the whole session ends, with the jobs on it. A connection that has been silent
  // since it took the job gets no further ones, and ends when those on it are answered. False: the job is not on it.
  bool on_late(const Job& job);
  // Fails the jobs on it, without a word to the owner, which destroys it then.
  void abandon(const Error& why);

 private:
  enum class Phase { kConnecting, kOpen, kEnded };
  // What the next result is about.
  enum class Step { kPrepare, kRun, kCommit };
  struct Expected {
    Step step;
    std::string prepared;  // with kPrepare: its name
  };

  // Connecting.
  void try_server(std::size_t index);
  void try_address();
  void wait_connecting(PostgresPollingStatusType what);
  void next_address(std::string why);
  void opened();

  // Working.
  bool push(const Job& job);
  bool push_statement(const Statement& statement);
  bool push_text(const Job& job, const std::string& text);
  void flush();
  void listen();
  void receive();
  void take_results();
  void take_result(PGresult* result);
  void take_row(Job& job, const Rows& row);
  void take_error(PGresult* result);
  void finish_job();
  void interrupt(const Job& job);
  void rest();
  void retire();
  void end(Error why);

  void on_timeout() override;
  Error lost(std::string_view why) const;

  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };

  net::Worker& worker_;
  const ConnectionSettings& settings_;
  Owner& owner_;
  Phase phase_ = Phase::kConnecting;
  bool retired_ = false;
  bool flushing_ = false;

  // Gone with the connection: what an address that comes too late can ask.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  SteadyTime connect_deadline_;
  std::size_t server_ = 0;
  std::deque<std::string> addresses_;
  std::string first_failure_;

  std::unique_ptr<PGconn, Finish> connection_;
  std::unique_ptr<net::FdWatch> watch_;
  Interruption::Parameters reached_by_;  // what connection_ was made with
  Interruption interruption_;
  bool cancelled_ = false;  // a request to cancel may hit any of the jobs from now on
  SteadyTime opened_at_{};
  SteadyTime heard_at_{};  // when the server last answered something
  std::set<std::string, std::less<>> prepared_;
  std::deque<std::unique_ptr<Job>> jobs_;
  std::deque<Expected> expected_;
};

}  // namespace tandem::components::postgresql
