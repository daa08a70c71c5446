// The waker of an instance: fired from any thread, heard by the worker that owns the instance.
#pragma once

#include <atomic>

#include "contract.h"

namespace tandem::fake {

// Shared by the instance and by whoever will fire it. Calls wake() at most once until the next poll.
class Waker final {
 public:
  Waker(void* waker, void (*wake)(void*), void (*release)(void*)) : waker_(waker), wake_(wake), release_(release) {
    live().wakers.fetch_add(1, std::memory_order_relaxed);
  }
  ~Waker() {
    release_(waker_);
    live().wakers.fetch_sub(1, std::memory_order_relaxed);
  }
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  void fire() {
    Phase phase = phase_.load(std::memory_order_acquire);
    while (phase == Phase::kResting || phase == Phase::kPolling) {
      const Phase next = phase == Phase::kResting ? Phase::kScheduled : Phase::kPollAgain;
      if (!phase_.compare_exchange_weak(phase, next, std::memory_order_acq_rel)) continue;
      if (next == Phase::kScheduled) wake_(waker_);
      return;
    }
  }

  // The polling thread's part. A poll begins.
  void begin() { phase_.store(Phase::kPolling, std::memory_order_release); }
  // False when it was fired meanwhile: look again.
  bool rest() {
    Phase polling = Phase::kPolling;
    return phase_.compare_exchange_strong(polling, Phase::kResting, std::memory_order_acq_rel);
  }
  // Gives way to others and comes back.
  void reschedule() {
    phase_.store(Phase::kScheduled, std::memory_order_release);
    wake_(waker_);
  }

 private:
  enum class Phase { kResting, kPolling, kPollAgain, kScheduled };

  void* const waker_;
  void (*const wake_)(void*);
  void (*const release_)(void*);
  std::atomic<Phase> phase_{Phase::kResting};
};

}  // namespace tandem::fake
