// How many deliveries of a component may be under way at once, and whose turn it is: its subscriptions take turns, so
// that a full topic does not hold up the others.
//
// Owned by StreamConsumers; one worker's thread. Nothing fails.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>

namespace tandem::components {

class DeliverySlots final {
 public:
  // Who has messages to deliver.
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

  explicit DeliverySlots(std::size_t count) : free_(count) {}

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
    while (free_ > 0 && !line_.empty()) {
      const std::shared_ptr<Taker> next = line_.front().lock();
      line_.pop_front();
      if (next == nullptr) continue;
      next->in_line_ = false;
      --free_;
      if (!next->begin_one()) ++free_;
      if (next->has_more() && !std::exchange(next->in_line_, true)) line_.push_back(next);
    }
    pumping_ = false;
  }

  std::size_t free_;
  bool pumping_ = false;
  std::deque<std::weak_ptr<Taker>> line_;
};

}  // namespace tandem::components
