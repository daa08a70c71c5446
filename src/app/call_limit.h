// How many calls an app may have at once, in the whole process: app-max-concurrency. Who comes over it waits its turn.
//
// Shared by the workers of one app; any thread. A Slot may outlive the CallLimit.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>

#include "base/completion.h"
#include "base/executor.h"

namespace tandem::app {

class CallLimit final {
 private:
  struct State;

 public:
  // The right to be one of the calls, given back when it goes.
  class Slot final {
   public:
    Slot() = default;
    explicit Slot(std::shared_ptr<State> state) : state_(std::move(state)) {}
    Slot(Slot&&) = default;
    Slot& operator=(Slot&& other) noexcept {
      Slot old(std::move(*this));
      state_ = std::move(other.state_);
      return *this;
    }
    ~Slot();

   private:
    std::shared_ptr<State> state_;
  };

  // `most` is at least 1; more than `most_waiting` calls do not wait.
  CallLimit(std::size_t most, std::size_t most_waiting);

  // `start` gets the slot inside this call when one is free, else later on `worker`, first come first served; it gets
  // kResourceExhausted inside this call when too many wait.
  void take(Executor& worker, Completion<Slot> start);

  std::size_t waiting() const;

 private:
  const std::shared_ptr<State> state_;
};

}  // namespace tandem::app
