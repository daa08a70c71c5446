#include "thread_loop.h"

#include <utility>

namespace tandem::conformance {

ThreadLoop::ThreadLoop() : thread_([this] { run(); }) {}

ThreadLoop::~ThreadLoop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void ThreadLoop::post(Task task) { post_after(std::chrono::milliseconds(0), std::move(task)); }

void ThreadLoop::post_after(std::chrono::milliseconds delay, Task task) {
  std::lock_guard lock(mutex_);
  // Equal times keep the order in which they came.
  tasks_.emplace(Clock::now() + delay, std::move(task));
  // With the lock held: once the task has run, the loop may end before this call does.
  wake_.notify_all();
}

void ThreadLoop::run() {
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    if (tasks_.empty()) {
      wake_.wait(lock);
      continue;
    }
    if (const Clock::time_point due = tasks_.begin()->first; due > Clock::now()) {
      wake_.wait_until(lock, due);
      continue;
    }
    Task task = std::move(tasks_.begin()->second);
    tasks_.erase(tasks_.begin());
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
}

}  // namespace tandem::conformance
