// One partition that a consumer has been given: reads its messages, hands them to the topic's handler in their order,
// and knows how far they were taken.
//
// As with daprd one message is under way at a time and the next one waits for its end, so that the order holds; a
// message that is refused for now is tried again in its place. A handler that takes several at once gets up to its
// window. What nobody has room for stays in librdkafka's queue of this partition, which reads no further when it is
// full: a slow app holds up nobody else, and nothing is thrown away.
//
// Owned by KafkaConsumer, for one assignment: after stop() it never begins anything again. Everything runs on the
// consumer's worker but for the handlers' completions, which may come from any thread. Nothing fails: what goes wrong
// is said to the owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/executor.h"
#include "blocks/pubsub/pubsub_broker.h"
#include "components/kafka/handle.h"
#include "components/kafka/message_fields.h"
#include "components/kafka/offset_tracker.h"
#include "components/kafka/queue_watch.h"
#include "components/kafka/retry_delay.h"

namespace tandem::components::kafka {

// What messages of a topic are given to.
struct TopicHandler {
  pubsub::MessageHandler handler;
  std::size_t window = 1;  // so many of a partition are under way at once
};

class PartitionFeed final : public std::enable_shared_from_this<PartitionFeed> {
 public:
  class Owner {
   public:
    // A message has ended, or its try: there may be something to commit, and the feed may be idle.
    virtual void on_progress() = 0;
    virtual void on_problem(const std::string& topic, const std::string& problem) = 0;

   protected:
    ~Owner() = default;
  };
  struct Surroundings {
    TimedExecutor& worker;
    const RetryOptions& retry;
    const MessageFields& fields;
    Owner& owner;  // until stop(), and while it is not idle
  };

  // `queue` is the partition's, and forwards to no other.
  PartitionFeed(Surroundings surroundings, Queue queue, std::string topic, std::int32_t partition,
                std::shared_ptr<const TopicHandler> handler);
  PartitionFeed(const PartitionFeed&) = delete;
  PartitionFeed& operator=(const PartitionFeed&) = delete;

  void start();
  // Begins nothing more; what waits for another try is left to whoever gets the partition next.
  void stop();
  // Nothing is heard of what is under way.
  void abandon();
  bool is_idle() const { return under_way_ == 0; }

  const std::string& topic() const { return topic_; }
  std::int32_t partition() const { return partition_; }
  std::optional<std::int64_t> to_commit() const { return tracker_.to_commit(); }
  void committed(std::int64_t offset) { tracker_.committed(offset); }

 private:
  struct Held {
    Event event;  // owns the message
    const rd_kafka_message_t* message = nullptr;
    RetryDelay delay;
  };

  void pump();
  void take(Event event);
  void hand_over(std::int64_t offset);
  void ended(std::int64_t offset, const Result<pubsub::Verdict>& verdict);
  void refused(std::int64_t offset);

  const Surroundings surroundings_;
  const std::string topic_;
  const std::int32_t partition_;
  const std::shared_ptr<const TopicHandler> handler_;
  const Queue queue_;
  std::unique_ptr<QueueWatch> watch_;  // null once it is stopped
  OffsetTracker tracker_;
  std::map<std::int64_t, Held> held_;  // by offset
  std::size_t under_way_ = 0;
  bool abandoned_ = false;
};

}  // namespace tandem::components::kafka
