// ThreadLoop: a TimedExecutor with one thread of its own and real time, for suites that run over real components.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "base/executor.h"

namespace tandem::conformance {

class ThreadLoop final : public TimedExecutor {
 public:
  ThreadLoop();
  // Ends the thread; tasks that have not run are destroyed.
  ~ThreadLoop() override;

  void post(Task task) override;
  void post_after(std::chrono::milliseconds delay, Task task) override;

 private:
  using Clock = std::chrono::steady_clock;
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::multimap<Clock::time_point, Task> tasks_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace tandem::conformance
