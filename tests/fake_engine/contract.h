// The rules of tandem_engine.h as checks, and what every object of the fake engine has to be checked by.
//
// All atomics here are relaxed: a check must not put the threads in an order that a sanitizer would then take for the
// tested program's own.
#pragma once

#include <atomic>
#include <cstdint>

#include "fake_engine.h"
#include "tandem_engine.h"

namespace tandem::fake {

// Prints the rule and ends the process.
[[noreturn]] void violated(const char* rule);

inline void require(bool holds, const char* rule) {
  if (!holds) violated(rule);
}

// The process-wide numbers behind counts().
struct LiveCounts {
  std::atomic<std::size_t> instances{0};
  std::atomic<std::size_t> exchanges{0};
  std::atomic<std::size_t> wakers{0};
  std::atomic<std::size_t> replies{0};
};
LiveCounts& live();

// While it exists, this thread is inside a callback into C++.
class InCallback final {
 public:
  InCallback() { ++depth_; }
  ~InCallback() { --depth_; }
  InCallback(const InCallback&) = delete;
  InCallback& operator=(const InCallback&) = delete;
  static bool here() { return depth_ > 0; }

 private:
  static thread_local int depth_;
};

// An object that is used by one thread at a time and never after its end. Its memory is never given back, so that a use
// after the end is found for certain: what is large in it is emptied at the end instead.
class Tracked {
 public:
  Tracked();
  virtual ~Tracked() = default;
  Tracked(const Tracked&) = delete;
  Tracked& operator=(const Tracked&) = delete;

  bool over() const { return over_.load(std::memory_order_relaxed); }
  void end(const char* rule) { require(!over_.exchange(true, std::memory_order_relaxed), rule); }

  // While it exists, the calling thread has the object.
  class Use final {
   public:
    explicit Use(const Tracked& object);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    const Tracked& object_;
    const void* before_;
  };

 private:
  friend class Use;
  Tracked* next_;  // all that were ever made, so that they stay reachable
  std::atomic<bool> over_{false};
  mutable std::atomic<const void*> user_{nullptr};
};

}  // namespace tandem::fake
