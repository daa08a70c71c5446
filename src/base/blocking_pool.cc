#include "base/blocking_pool.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

namespace tandem {

struct BlockingPool::Core {
  std::mutex mutex;
  std::condition_variable wake;
  std::condition_variable thread_ended;
  std::deque<Task> queue;
  std::size_t threads = 0;  // that have not ended
  bool stopped = false;

  void run() {
    std::unique_lock lock(mutex);
    while (true) {
      wake.wait(lock, [this] { return stopped || !queue.empty(); });
      if (queue.empty()) break;
      Task task = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      task();
      task = nullptr;  // what it captured goes before the next wait
      lock.lock();
    }
    --threads;
    thread_ended.notify_all();
  }
};

BlockingPool::BlockingPool(std::size_t threads, std::size_t queue_limit)
    : queue_limit_(queue_limit), core_(std::make_shared<Core>()) {
  core_->threads = threads;
  threads_.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([core = core_] { core->run(); });
}

BlockingPool::~BlockingPool() { stop(); }

void BlockingPool::post(Task task) {
  std::lock_guard lock(core_->mutex);
  if (core_->stopped) return;
  core_->queue.push_back(std::move(task));
  // With the lock held: once the task has run, the pool may end before this call does.
  core_->wake.notify_one();
}

bool BlockingPool::try_post(Task& task) {
  std::lock_guard lock(core_->mutex);
  if (core_->stopped || core_->queue.size() >= queue_limit_) return false;
  core_->queue.push_back(std::move(task));
  core_->wake.notify_one();
  return true;
}

void BlockingPool::tell_to_stop() {
  {
    std::lock_guard lock(core_->mutex);
    core_->stopped = true;
  }
  core_->wake.notify_all();
}

void BlockingPool::stop() {
  tell_to_stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool BlockingPool::stop(SteadyTime deadline) {
  tell_to_stop();
  std::deque<Task> unrun;
  std::unique_lock lock(core_->mutex);
  if (core_->thread_ended.wait_until(lock, deadline, [&] { return core_->threads == 0; })) {
    lock.unlock();
    stop();
    return true;
  }
  unrun.swap(core_->queue);
  lock.unlock();
  for (std::thread& thread : threads_) thread.detach();
  threads_.clear();
  return false;
}

std::size_t BlockingPool::queued() const {
  std::lock_guard lock(core_->mutex);
  return core_->queue.size();
}

}  // namespace tandem
