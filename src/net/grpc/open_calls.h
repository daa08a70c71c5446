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
  // False once close() was called: the call does not begin. Else `context` lives until forget().
  bool enter(::grpc::ClientContext& context) {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    contexts_.insert(&context);
    ++open_;
    return true;
  }
  // The call has ended: `context` may go, and another one take its address. leave() follows.
  void forget(::grpc::ClientContext* context) {
    const std::lock_guard lock(mutex_);
    contexts_.erase(context);
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    if (--open_ == 0) empty_.notify_all();
  }

  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  void wait_until(SteadyTime deadline) {
    std::unique_lock lock(mutex_);
    empty_.wait_until(lock, deadline, [&] { return open_ == 0; });
  }
  // Returns when the library is done with them.
  void cancel_all() {
    std::unique_lock lock(mutex_);
    for (::grpc::ClientContext* context : contexts_) context->TryCancel();
    empty_.wait(lock, [&] { return open_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable empty_;
  std::unordered_set<::grpc::ClientContext*> contexts_;
  std::size_t open_ = 0;  // entered, and not left
  bool closed_ = false;
};

}  // namespace tandem::net::grpc
