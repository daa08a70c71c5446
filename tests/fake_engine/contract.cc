#include "contract.h"

#include <cstdio>
#include <cstdlib>

namespace tandem::fake {

thread_local int InCallback::depth_ = 0;

namespace {

std::atomic<Tracked*> all{nullptr};
// Its address names the thread.
thread_local const char this_thread = 0;

}  // namespace

void violated(const char* rule) {
  std::fprintf(stderr, "the engine's contract is broken: %s\n", rule);
  std::abort();
}

LiveCounts& live() {
  static LiveCounts counts;
  return counts;
}

Counts counts() {
  const LiveCounts& now = live();
  return {now.instances.load(std::memory_order_relaxed), now.exchanges.load(std::memory_order_relaxed),
          now.wakers.load(std::memory_order_relaxed), now.replies.load(std::memory_order_relaxed)};
}

Tracked::Tracked() : next_(all.load(std::memory_order_relaxed)) {
  while (!all.compare_exchange_weak(next_, this, std::memory_order_relaxed)) {
  }
}

Tracked::Use::Use(const Tracked& object)
    : object_(object), before_(object.user_.exchange(&this_thread, std::memory_order_relaxed)) {
  require(before_ == nullptr || before_ == &this_thread, "an instance is used by one thread at a time");
}

Tracked::Use::~Use() { object_.user_.store(before_, std::memory_order_relaxed); }

}  // namespace tandem::fake
