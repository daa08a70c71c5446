// QueueWatch: something has come to a queue of librdkafka's, said on a worker.
//
// Its owner makes and destroys it on any thread, the queue outlives it. `serve` runs on the worker, once for whatever
// came since it ran last, and has to empty the queue or to come back by itself: only what comes to an empty queue is
// said. Nothing runs that has not begun when the watch ends on the worker. Nothing fails.
#pragma once

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "base/executor.h"

namespace tandem::components::kafka {

class QueueWatch final {
 public:
  QueueWatch(rd_kafka_queue_t* queue, Executor& worker, std::function<void()> serve)
      : queue_(queue), state_(std::make_shared<State>(worker, std::move(serve))) {
    state_->self = state_;
    rd_kafka_queue_cb_event_enable(queue_, on_event, state_.get());
  }
  QueueWatch(const QueueWatch&) = delete;
  QueueWatch& operator=(const QueueWatch&) = delete;
  // No call of on_event is under way after this one: both hold the queue's lock.
  ~QueueWatch() { rd_kafka_queue_cb_event_enable(queue_, nullptr, nullptr); }

  // As if something had come.
  void wake() { State::wake(state_); }

 private:
  struct State {
    State(Executor& worker, std::function<void()> serve) : worker(worker), serve(std::move(serve)) {}

    static void wake(const std::shared_ptr<State>& state) {
      if (state->posted.exchange(true)) return;
      state->worker.post([weak = std::weak_ptr(state)] {
        const auto self = weak.lock();
        if (self == nullptr) return;
        self->posted.store(false);
        self->serve();
      });
    }

    Executor& worker;
    const std::function<void()> serve;
    std::weak_ptr<State> self;
    std::atomic<bool> posted = false;
  };

  // On a thread of librdkafka's, which holds the queue's lock.
  static void on_event(rd_kafka_t*, void* opaque) noexcept {
    if (const auto self = static_cast<State*>(opaque)->self.lock()) State::wake(self);
  }

  rd_kafka_queue_t* const queue_;
  const std::shared_ptr<State> state_;
};

}  // namespace tandem::components::kafka
