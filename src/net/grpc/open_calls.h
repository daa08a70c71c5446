// The calls to a program, an app or a component, that are under way, so that a stop can wait for them and end what is
// left.
//
// One for each of them. Any thread; nothing fails.
#pragma once

#include <grpcpp/client_context.h>

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <unordered_set>

#include "base/call_context.h"

namespace tandem::net::grpc {

class OpenCalls final {
 public:
  // False once close() was called: the call does not begin. Else `context` lives until leave().
  bool enter(::grpc::ClientContext& context) {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    contexts_.insert(&context);
    return true;
  }
  // `context` may be gone already.
  void leave(::grpc::ClientContext* context) {
    const std::lock_guard lock(mutex_);
    contexts_.erase(context);
    if (contexts_.empty()) empty_.notify_all();
  }

  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  void wait_until(SteadyTime deadline) {
    std::unique_lock lock(mutex_);
    empty_.wait_until(lock, deadline, [&] { return contexts_.empty(); });
  }
  // Returns when the library is done with them.
  void cancel_all() {
    std::unique_lock lock(mutex_);
    for (::grpc::ClientContext* context : contexts_) context->TryCancel();
    empty_.wait(lock, [&] { return contexts_.empty(); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable empty_;
  std::unordered_set<::grpc::ClientContext*> contexts_;
  bool closed_ = false;
};

}  // namespace tandem::net::grpc
