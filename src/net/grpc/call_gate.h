// How many calls an app takes at once (`app-max-concurrency`): the others wait for their turn, in order.
//
// One for an app, shared by all who call it; any thread. A task runs inside enter() when there is room, else inside the
// leave() of another one. Bounded: a call that finds too many waiting is refused.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <utility>

#include "base/completion.h"

namespace tandem::net::grpc {

class CallGate final {
 public:
  static constexpr std::size_t kMaxWaiting = 10'000;

  // 0: as many as come.
  explicit CallGate(std::size_t limit) : limit_(limit) {}

  // False: too many wait already, `task` is not taken. Whoever ran has to leave().
  bool enter(Task& task) {
    {
      const std::lock_guard lock(mutex_);
      if (limit_ > 0 && inside_ >= limit_) {
        if (waiting_.size() >= kMaxWaiting) return false;
        waiting_.push_back(std::move(task));
        return true;
      }
      ++inside_;
    }
    task();
    return true;
  }
  void leave() {
    Task next;
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.empty()) {
        --inside_;
        return;
      }
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    next();
  }

 private:
  const std::size_t limit_;
  std::mutex mutex_;
  std::size_t inside_ = 0;
  std::deque<Task> waiting_;
};

}  // namespace tandem::net::grpc
