#include "base/blocking_pool.h"

#include <utility>

namespace tandem {

BlockingPool::BlockingPool(std::size_t threads, std::size_t queue_limit) : queue_limit_(queue_limit) {
  threads_.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

BlockingPool::~BlockingPool() { stop(); }

void BlockingPool::post(Task task) {
  std::lock_guard lock(mutex_);
  if (stopped_) return;
  queue_.push_back(std::move(task));
  // With the lock held: once the task has run, the pool may end before this call does.
  wake_.notify_one();
}

bool BlockingPool::try_post(Task& task) {
  std::lock_guard lock(mutex_);
  if (stopped_ || queue_.size() >= queue_limit_) return false;
  queue_.push_back(std::move(task));
  wake_.notify_one();
  return true;
}

void BlockingPool::stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

std::size_t BlockingPool::queued() const {
  std::lock_guard lock(mutex_);
  return queue_.size();
}

void BlockingPool::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopped_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Task task = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    task();
    task = nullptr;  // what it captured goes before the next wait
    lock.lock();
  }
}

}  // namespace tandem
