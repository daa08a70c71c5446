#include "app/call_limit.h"

#include <utility>

namespace tandem::app {

struct CallLimit::State {
  struct Waiter {
    Executor* worker;
    Completion<Slot> start;
  };

  mutable std::mutex mutex;
  std::size_t free = 0;
  std::size_t most_waiting = 0;
  std::deque<Waiter> waiting;
};

CallLimit::CallLimit(std::size_t most, std::size_t most_waiting) : state_(std::make_shared<State>()) {
  state_->free = most;
  state_->most_waiting = most_waiting;
}

void CallLimit::take(Executor& worker, Completion<Slot> start) {
  bool full = false;
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->free > 0) {
      --state_->free;
    } else if (state_->waiting.size() < state_->most_waiting) {
      state_->waiting.push_back({&worker, std::move(start)});
      return;
    } else {
      full = true;
    }
  }
  if (full) return start(fail(Code::kResourceExhausted, "too many calls wait for the app"));
  start(Slot(state_));
}

CallLimit::Slot::~Slot() {
  if (!state_) return;
  State::Waiter next{};
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->waiting.empty()) {
      ++state_->free;
      return;
    }
    next = std::move(state_->waiting.front());
    state_->waiting.pop_front();
  }
  next.worker->post(
      [start = std::move(next.start), slot = Slot(std::move(state_))]() mutable { start(std::move(slot)); });
}

std::size_t CallLimit::waiting() const {
  const std::lock_guard lock(state_->mutex);
  return state_->waiting.size();
}

}  // namespace tandem::app
