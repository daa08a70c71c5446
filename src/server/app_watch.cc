#include "server/app_watch.h"

#include <utility>

namespace tandem::server {
namespace {

constexpr std::string_view kScope = "tandem.app";

}  // namespace

AppWatch::AppWatch(Logger log, std::optional<HealthCheck> check, Steps steps)
    : log_(std::move(log)), check_(check), steps_(std::move(steps)) {}

AppWatch::~AppWatch() { stop(); }

void AppWatch::start() {
  thread_ = std::thread([this] { run(); });
}

void AppWatch::ask_to_stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
}

void AppWatch::stop() {
  ask_to_stop();
  if (thread_.joinable()) thread_.join();
}

bool AppWatch::wait_until_unhealthy(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [&] { return !healthy() || stopping_; });
}

void AppWatch::run() {
  if (Status there = steps_.reach(); !there) {
    // A stop while the app was waited for says nothing new.
    if (there.error().code != Code::kCancelled) log_.error(kScope, there.error().message);
    return;
  }
  if (!check_) {
    if (set(true)) steps_.reached();
    return;
  }
  steps_.reached();
  log_.info(kScope, "App health probes starting");
  probe_for_ever();
}

void AppWatch::probe_for_ever() {
  int failures = check_->threshold;
  // daprd's words, said when they have come true.
  do {
    if (const Status answer = steps_.probe()) {
      failures = 0;
      if (!healthy() && set(true)) log_.info(kScope, "App entered healthy status");
    } else {
      if (failures < check_->threshold) ++failures;
      if (failures == check_->threshold && healthy() && set(false)) {
        log_.warn(kScope, "App entered un-healthy status: " + answer.error().message);
      }
    }
  } while (pause(check_->interval));
}

bool AppWatch::set(bool healthy) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    healthy_.store(healthy, std::memory_order_release);
  }
  changed_.notify_all();
  steps_.told(healthy);
  return true;
}

bool AppWatch::pause(std::chrono::nanoseconds time) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, time, [&] { return stopping_; });
}

}  // namespace tandem::server
