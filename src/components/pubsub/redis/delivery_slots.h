// How many deliveries of a component may be under way at once, and whose turn it is: its subscriptions take turns, so
// that a full topic does not hold up the others.
//
// Owned by StreamConsumers; one worker's thread. Deliveries that end at once are begun one after the other, but no more
// than some in a turn of the loop: the worker has other work as well. Nothing fails.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>

#include "base/executor.h"

namespace tandem::components {

class DeliverySlots final {
 public:
  // Who has messages to deliver; holds the owner of the slots.
  class Taker {
   public:
    // Begins one delivery, which ends in release(); perhaps inside this call. False: there was nothing to begin.
    virtual bool begin_one() = 0;
    virtual bool has_more() const = 0;

   protected:
    ~Taker() = default;

   private:
    friend class DeliverySlots;
    bool in_line_ = false;
  };

  // `loop` is the worker's, and outlives it.
  DeliverySlots(std::size_t count, Executor& loop) : free_(count), loop_(loop) {}

  // Takes a slot for each message that `taker` has, now or when it is its turn.
  void want(const std::shared_ptr<Taker>& taker) {
    if (!std::exchange(taker->in_line_, true)) line_.push_back(taker);
    pump();
  }
  void release() {
    ++free_;
    pump();
  }

 private:
  void pump() {
    if (std::exchange(pumping_, true)) return;
    int left = kTurn;
    while (free_ > 0 && !line_.empty()) {
      std::shared_ptr<Taker> next = line_.front().lock();
      if (next != nullptr && left-- == 0) {
        pump_later(std::move(next));
        break;
      }
      line_.pop_front();
      if (next == nullptr) continue;
      next->in_line_ = false;
      --free_;
      if (!next->begin_one()) ++free_;
      if (next->has_more() && !std::exchange(next->in_line_, true)) line_.push_back(next);
    }
    pumping_ = false;
  }
  // `keeper` keeps whoever owns this.
  void pump_later(std::shared_ptr<Taker> keeper) {
    if (std::exchange(later_, true)) return;
    loop_.post([this, keeper = std::move(keeper)] {
      later_ = false;
      pump();
    });
  }

  static constexpr int kTurn = 16;

  std::size_t free_;
  Executor& loop_;
  bool later_ = false;  // the line goes on in another turn
  bool pumping_ = false;
  std::deque<std::weak_ptr<Taker>> line_;
};

}  // namespace tandem::components
