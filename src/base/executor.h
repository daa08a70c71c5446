// Where work runs. A worker (net/worker.h) is an Executor: tasks posted to it run one after the other on its thread.
// BlockingPool (base/blocking_pool.h) is one too, without an order.
#pragma once

#include <chrono>

#include "base/completion.h"

namespace tandem {

class Executor {
 public:
  virtual ~Executor() = default;

  // Runs `task` later, never inside this call. Any thread. After the executor has stopped the task is destroyed unrun.
  virtual void post(Task task) = 0;

  // Whether the caller is on this executor's only thread, where what is posted runs soon and without waking anybody.
  // Any thread. False of one that has several, or does not know.
  virtual bool running_here() const { return false; }
};

// An Executor with a clock: what retries, time-outs and schedules need.
class TimedExecutor : public Executor {
 public:
  // Runs `task` on this executor no earlier than `delay` from now. Any thread.
  virtual void post_after(std::chrono::milliseconds delay, Task task) = 0;
};

}  // namespace tandem
