// TestLoop: a TimedExecutor for tests. Tasks run on the test's own thread, inside run_*(); time stands still until
// advance(). So a test decides what happens when, and never sleeps.
//
// post() and post_after() from any thread; everything else from the test's thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <utility>

#include "base/executor.h"

namespace tandem {

class TestLoop final : public TimedExecutor {
 public:
  void post(Task task) override {
    std::lock_guard lock(mutex_);
    ready_.push_back(std::move(task));
    ++posted_;
    // With the lock held: once the task has run, the loop may end before this call does.
    wake_.notify_all();
  }

  void post_after(std::chrono::milliseconds delay, Task task) override {
    std::lock_guard lock(mutex_);
    timed_.emplace(now_ + delay, std::move(task));
  }

  // Runs what is ready, and what that posts, without waiting. Returns how many tasks ran.
  int run_ready() {
    int ran = 0;
    while (run_one(std::chrono::milliseconds(0))) ++ran;
    return ran;
  }

  // Runs tasks, waiting for other threads to post them, until `done()`; false after ten seconds of waiting.
  template <class Predicate>
  bool run_until(Predicate done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      run_one(std::chrono::milliseconds(5));
    }
    return true;
  }

  // Lets time pass: tasks that have become due are ready and run, in the order of their time.
  void advance(std::chrono::milliseconds by) {
    run_ready();
    const std::chrono::milliseconds target = now_ + by;
    while (true) {
      std::unique_lock lock(mutex_);
      if (timed_.empty() || timed_.begin()->first > target) break;
      now_ = timed_.begin()->first;
      ready_.push_back(std::move(timed_.begin()->second));
      timed_.erase(timed_.begin());
      lock.unlock();
      run_ready();
    }
    now_ = target;
  }

  std::chrono::milliseconds now() const { return now_; }
  // How often post() was called, by anybody.
  int posted() const {
    std::lock_guard lock(mutex_);
    return posted_;
  }
  std::size_t timers() const {
    std::lock_guard lock(mutex_);
    return timed_.size();
  }

 private:
  bool run_one(std::chrono::milliseconds wait) {
    std::unique_lock lock(mutex_);
    if (!wake_.wait_for(lock, wait, [this] { return !ready_.empty(); })) return false;
    Task task = std::move(ready_.front());
    ready_.pop_front();
    lock.unlock();
    task();
    return true;
  }

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> ready_;
  std::multimap<std::chrono::milliseconds, Task> timed_;
  std::chrono::milliseconds now_{0};
  int posted_ = 0;
};

}  // namespace tandem
