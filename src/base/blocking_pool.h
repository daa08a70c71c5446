// BlockingPool: the threads that may block (SQLite, compilation), so that workers never do.
//
// The object that needs it owns it. post() and try_post() from any thread; stop() from one thread that is not the
// pool's. Tasks start in the order they were given, `threads` at a time. A task must not throw.
#pragma once

#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "base/call_context.h"
#include "base/executor.h"

namespace tandem {

class BlockingPool final : public Executor {
 public:
  // Starts the threads. `queue_limit` counts tasks that wait for a thread.
  BlockingPool(std::size_t threads, std::size_t queue_limit);
  ~BlockingPool() override;
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  // Always accepts, also over the limit: for work that was admitted elsewhere. Destroys the task after stop().
  void post(Task task) override;
  // False, and `task` is untouched, when the queue is full or the pool has stopped: for work that comes from outside.
  [[nodiscard]] bool try_post(Task& task);
  // Runs what is queued, then ends the threads. Later tasks are destroyed unrun. May be called twice.
  void stop();
  // The same until `deadline`. False: a task has not ended by then. What still waits is destroyed unrun, and the
  // threads are left to themselves: a task that they are in the middle of must touch nothing that goes before it
  // returns.
  bool stop(SteadyTime deadline);

  std::size_t queued() const;

 private:
  struct Core;

  void tell_to_stop();

  const std::size_t queue_limit_;
  const std::shared_ptr<Core> core_;  // each thread has it, too
  std::vector<std::thread> threads_;
};

}  // namespace tandem
