// Brings a completion home: run in place while its call is still on the caller's stack, posted to the caller's executor
// when it comes later or from another thread.
//
// An InPlaceScope lives on the stack around the call into a plug-in; bring_home() makes the completion that goes in.
// Any thread may run that completion, once. Nothing fails.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "base/completion.h"
#include "base/executor.h"

namespace tandem {

class InPlaceScope final {
 public:
  InPlaceScope() : outer_(innermost()), token_(next_token()) { innermost() = this; }
  ~InPlaceScope() { innermost() = outer_; }
  InPlaceScope(const InPlaceScope&) = delete;
  InPlaceScope& operator=(const InPlaceScope&) = delete;

  std::uint64_t token() const { return token_; }
  // True on the thread, and within the call, that the token's scope belongs to, while no other scope is open in it.
  static bool is_open(std::uint64_t token) { return innermost() != nullptr && innermost()->token_ == token; }
  // The same, whatever scopes are open in it: for those who may be called from deep inside their own call.
  static bool is_within(std::uint64_t token) {
    const InPlaceScope* scope = innermost();
    while (scope != nullptr && scope->token_ != token) scope = scope->outer_;
    return scope != nullptr;
  }

 private:
  static const InPlaceScope*& innermost() {
    thread_local const InPlaceScope* scope = nullptr;
    return scope;
  }
  // Never the same twice in a process: a thread takes 2^32 numbers at a time.
  static std::uint64_t next_token() {
    static std::atomic<std::uint64_t> blocks = 1;
    thread_local std::uint64_t next = 0;
    if ((next & 0xffffffffULL) == 0) next = blocks.fetch_add(1, std::memory_order_relaxed) << 32 | 1;
    return next++;
  }

  const InPlaceScope* const outer_;
  const std::uint64_t token_;
};

template <class T>
Completion<T> bring_home(const InPlaceScope& scope, Executor& executor, Completion<T> done) {
  return [token = scope.token(), &executor, done = std::move(done)](Result<T> result) mutable {
    if (InPlaceScope::is_open(token)) return done(std::move(result));
    executor.post([done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
  };
}

}  // namespace tandem
