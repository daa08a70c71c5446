// How many calls an app takes at once (`app-max-concurrency`): the others wait for their turn, in order.
//
// One for an app, shared by all who call it; any thread. A task runs inside enter() when there is room, else inside the
// leave() of another one. Bounded: a call that finds too many waiting is refused. Who no longer wants his turn gives
// his place up.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
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

  using Place = std::uint64_t;

  // False: too many wait already, `task` is not taken. Whoever ran has to leave().
  bool enter(Task& task) {
    Place ignored = 0;
    return enter(task, ignored);
  }
  // `place` is that of a task that waits, for give_up(); 0: it has run.
  bool enter(Task& task, Place& place) {
    place = 0;
    {
      const std::lock_guard lock(mutex_);
      if (limit_ > 0 && inside_ >= limit_) {
        if (waiting_.size() >= kMaxWaiting) return false;
        place = ++last_place_;
        waiting_.push_back({place, std::move(task)});
        return true;
      }
      ++inside_;
    }
    task();
    return true;
  }
  // The task that waits there goes without having run. Nothing happens when it has had its turn.
  void give_up(Place place) {
    Task unused;  // destroyed after the lock
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::lower_bound(waiting_, place, {}, &Waiting::place);
    if (found == waiting_.end() || found->place != place) return;
    unused = std::move(found->task);
    waiting_.erase(found);
  }
  std::size_t waiting() const {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }
  void leave() {
    Task next;
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.empty()) {
        --inside_;
        return;
      }
      next = std::move(waiting_.front().task);
      waiting_.pop_front();
    }
    next();
  }

 private:
  struct Waiting {
    Place place;
    Task task;
  };

  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::size_t inside_ = 0;
  Place last_place_ = 0;
  std::deque<Waiting> waiting_;  // their places grow
};

}  // namespace tandem::net::grpc
