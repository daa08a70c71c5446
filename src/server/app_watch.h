// Watches over one app from a thread of its own: waits until it can be called, then probes its health for as long as
// the process serves.
//
// Owned by the app's runtime; the steps run on the watch's thread, one after the other, and outlive it. start() is
// called once, stop() or the destructor ends the thread: a step that blocks has to be woken by whoever it waits for.
// healthy() from any thread. The rules are those of daprd's app health checks: not healthy until a probe says so,
// healthy with the first success, not healthy again after `threshold` failures in a row.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/log.h"
#include "base/result.h"

namespace tandem::server {

struct HealthCheck {
  std::chrono::nanoseconds interval = std::chrono::seconds(5);
  std::chrono::nanoseconds timeout = std::chrono::milliseconds(500);
  int threshold = 3;
};

class AppWatch final {
 public:
  struct Steps {
    std::function<Status()> reach;           // blocks until the app can be called; a failure ends the watch
    std::function<void()> reached;           // the app is there
    std::function<Status()> probe;           // one probe, within the time-out
    std::function<void(bool healthy)> told;  // the health has changed, or is known for the first time
  };

  // Without a check the app counts as healthy once it is reached: `told` runs before `reached` then, else after it.
  AppWatch(Logger log, std::optional<HealthCheck> check, Steps steps);
  ~AppWatch();

  void start();
  // No step begins after the one that runs.
  void ask_to_stop();
  // The same, and returns when no step runs any more.
  void stop();

  bool healthy() const { return healthy_.load(std::memory_order_acquire); }
  // Returns when the app is not healthy, or at `deadline`; false for the deadline.
  bool wait_until_unhealthy(std::chrono::steady_clock::time_point deadline);

 private:
  void run();
  void probe_for_ever();
  // False, and nothing is told, when the watch ends.
  bool set(bool healthy);
  // False when the watch ends.
  bool pause(std::chrono::nanoseconds time);

  const Logger log_;
  const std::optional<HealthCheck> check_;
  const Steps steps_;
  std::atomic<bool> healthy_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tandem::server
