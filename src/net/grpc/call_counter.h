// How many calls to others gRPC's threads have still to finish, so that whoever owns what they touch can wait for them.
//
// Shared by the calls and by who waits. Any thread; nothing fails.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace tandem::net::grpc {

class CallCounter final {
 public:
  void begin() {
    const std::scoped_lock lock(mutex_);
    ++count_;
  }
  void end() {
    const std::scoped_lock lock(mutex_);
    if (--count_ == 0) none_left_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    none_left_.wait(lock, [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_left_;
  std::size_t count_ = 0;
};

}  // namespace tandem::net::grpc
