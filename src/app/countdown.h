// Waits on one thread for an answer from each of several workers.
//
// Shared by the thread that waits and the tasks that it posted, or owned by the one when it waits without a deadline.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

#include "base/call_context.h"

namespace tandem::app {

class Countdown final {
 public:
  explicit Countdown(std::size_t count) : left_(count) {}

  void done() {
    const std::lock_guard lock(mutex_);
    if (left_ > 0 && --left_ == 0) all_.notify_all();
  }
  // Nobody waits any longer for those that are not done.
  void release() {
    const std::lock_guard lock(mutex_);
    left_ = 0;
    all_.notify_all();
  }
  // False when the deadline came first.
  bool wait_until(SteadyTime deadline) {
    std::unique_lock lock(mutex_);
    return all_.wait_until(lock, deadline, [&] { return left_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_;
  std::size_t left_;
};

}  // namespace tandem::app
