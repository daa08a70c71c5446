// Job: a batch on its way through a Client. The queue or a connection owns it; the client's loop only.
#pragma once

#include <utility>

#include "base/call_context.h"
#include "components/postgresql/batch.h"
#include "net/timeout_wheel.h"

namespace tandem::components::postgresql {

class Job final : public net::TimeoutEntry {
 public:
  // Hears of the job whose time is over, after it has been answered.
  class Watcher {
   public:
    virtual void on_job_late(Job& job) = 0;

   protected:
    ~Watcher() = default;
  };

  Job(Batch batch, SteadyTime deadline, BatchDone done)
      : batch(std::move(batch)), deadline(deadline), done_(std::move(done)) {}
  ~Job() = default;

  bool answered() const { return !done_; }
  // The first answer counts; further ones are dropped.
  void answer(Outcome outcome) {
    if (BatchDone done = std::exchange(done_, nullptr)) done(std::move(outcome));
  }
  void fail_with(Error error) { answer({.rows = {}, .failure = Failure{.error = std::move(error)}}); }

  const Batch batch;
  const SteadyTime deadline;
  Watcher* watcher = nullptr;
  SteadyTime sent_at{};  // to the connection that it is on
  bool sent_again = false;
  bool gave_rows = false;
  Outcome outcome;  // what has come so far

 private:
  void on_timeout() override {
    fail_with(make_error(Code::kDeadlineExceeded, "PostgreSQL did not answer before the deadline"));
    if (watcher != nullptr) watcher->on_job_late(*this);
  }

  BatchDone done_;
};

}  // namespace tandem::components::postgresql
