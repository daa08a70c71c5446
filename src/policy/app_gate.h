// The gate between Dapr and an app whose health is watched: open while the app is healthy.
//
// While it is closed, invocations are refused as daprd refuses them, and events wait here, each until its broker takes
// it back: a broker has no more of them on their way than it delivers at once, so what waits is few. open(), close()
// and shut() from any thread; deliveries and the handlers as the interfaces say. The app and its handlers outlive the
// gate; it outlives the workers' last use.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "blocks/invoke/invoke_service.h"
#include "blocks/pubsub/pubsub_service.h"

namespace tandem::policy {

class AppGate final : public invoke::Endpoint, public pubsub::EventSink {
 public:
  enum class State { kOpen, kClosed };

  AppGate(invoke::Endpoint& app, pubsub::EventSink& sink, std::size_t workers, State state);
  ~AppGate() override;

  net::Handler& handler(std::size_t worker) override;
  void deliver(pubsub::Delivery delivery, Completion<pubsub::Verdict> done) override;
  void deliver_bulk(pubsub::BulkDelivery delivery, Completion<std::vector<pubsub::Verdict>> done) override;

  // What waits goes to the app.
  void open();
  void close();
  // For good: events that wait, and all that come, fail with kCancelled, so they stay with their broker. Invocations
  // are as before.
  void shut();
  bool is_open() const { return open_.load(std::memory_order_acquire); }

 private:
  class Door;
  // Goes to the app, or is refused with an error that is not ok.
  using Event = std::move_only_function<void(Status)>;
  struct Waiting {
    SteadyTime give_up_by;
    Event event;
  };

  // Now, or when the gate opens, unless `give_up_by` has passed.
  void pass(SteadyTime give_up_by, Event event);

  pubsub::EventSink& sink_;
  std::vector<std::unique_ptr<Door>> doors_;
  std::atomic<bool> open_;
  std::mutex mutex_;  // of what follows, and of changes of open_
  bool shut_ = false;
  std::vector<Waiting> waiting_;
};

}  // namespace tandem::policy
