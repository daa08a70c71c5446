// pubsub.in-memory: messages between the apps of this process, gone when it ends.
//
// Each consumer group of a topic has a queue of its own: every group gets every message, and within a group each
// message goes to one subscription. A topic that ends in "*" takes every topic that begins so. What no group wants is
// dropped. A full queue holds the publishers back: their completion waits for room. A message that is not taken comes
// again, later and later, while others go past it, until it is given up.
//
// Any thread may publish; deliveries begin on the executors, which outlive the broker's close(): on the publisher's own
// where it is one of them, and then one after the other as long as the app answers at once, some of them in a turn. A
// publish that needs no waiting completes in place.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/log.h"
#include "blocks/pubsub/pubsub_broker.h"

namespace tandem::components {

class InMemoryBroker final : public pubsub::Broker {
 public:
  struct Options {
    // Deliveries of one group under way at once. One keeps the order.
    std::size_t max_concurrent_handlers = 1;
    // Messages and bytes that one group may have: waiting, under way or to come again.
    std::size_t max_messages = 10'000;
    std::size_t max_bytes = std::size_t{256} << 20;
    // Publishers that may wait for room, in all, and how long at most.
    std::size_t max_waiting_publishers = 10'000;
    std::chrono::milliseconds max_wait{30'000};
    // Before the second try; doubles with each.
    std::chrono::milliseconds first_retry{100};
    std::chrono::milliseconds longest_retry{10'000};
    int max_tries = 30;
  };

  // At least one executor. `log`, when given, outlives the broker and hears of messages that are given up.
  InMemoryBroker(std::vector<TimedExecutor*> executors, Options options, const Logger* log = nullptr);
  ~InMemoryBroker() override;

  void publish(const CallContext& context, pubsub::PublishRequest request, Completion<void> done) override;
  Result<std::unique_ptr<Subscription>> subscribe(std::string topic, std::string consumer_group, Metadata metadata,
                                                  pubsub::MessageHandler handler) override;
  // Begins no more deliveries, refuses publishers and waits for the deliveries that are under way. Not on an executor's
  // own thread.
  void close(SteadyTime deadline) override;

 private:
  class Core;
  class Handle;

  const std::shared_ptr<Core> core_;
};

}  // namespace tandem::components
