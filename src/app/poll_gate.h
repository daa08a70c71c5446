// Keeps guests of one worker from being polled inside each other's events.
//
// A guest's outgoing call may be answered by another guest of the same process on the same worker. That guest must not
// run inside the first one's event: its start is put off until the outer poll has returned, without a trip through the
// loop. One a worker; that worker's thread only.
#pragma once

#include <deque>
#include <utility>

#include "base/completion.h"

namespace tandem::app {

class PollGate final {
 public:
  // Runs `poll` now; what was put off meanwhile runs after it.
  template <class Poll>
  void run(Poll poll) {
    polling_ = true;
    poll();
    polling_ = false;
    while (!deferred_.empty() && !polling_) {
      Task task = std::move(deferred_.front());
      deferred_.pop_front();
      task();
    }
  }

  bool polling() const { return polling_; }
  // Only while polling().
  void defer(Task task) { deferred_.push_back(std::move(task)); }

 private:
  bool polling_ = false;
  std::deque<Task> deferred_;
};

}  // namespace tandem::app
