// KafkaClient: what a component on Kafka has: one producer, and consumers for whom it subscribes.
//
// The component owns it. open() and close() are the server's, the rest is for any thread; all its work is on one
// worker, which outlives it, but that topics are looked for on a thread of its own, which may block. Every app that
// subscribes is a member of its group of its own, and so is each further subscription of an app to a topic that it has:
// they share the messages. A member without subscriptions leaves the group and waits for the next one. Failures:
// kafka_producer.h's and handle.h's.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/blocking_pool.h"
#include "components/kafka/kafka_consumer.h"
#include "components/kafka/kafka_options.h"
#include "components/kafka/kafka_producer.h"
#include "components/kafka/message_fields.h"
#include "net/worker.h"

namespace tandem::components::kafka {

class KafkaClient final {
 public:
  // `warn` hears of problems, of a topic or of none, on the worker.
  static Result<std::unique_ptr<KafkaClient>> open(KafkaOptions options, net::Worker& worker, KafkaConsumer::Warn warn,
                                                   SteadyTime deadline);
  ~KafkaClient();

  void publish(const CallContext& context, const std::string& topic, SharedBytes data, const Metadata& metadata,
               Completion<void> done) {
    producer_->publish(context, topic, std::move(data), metadata, std::move(done));
  }

  // Its end is the end of the deliveries; those under way end in their time.
  class Subscription {
   public:
    virtual ~Subscription() = default;
  };
  // For the consumer group of the component, or else that of the app. The group is joined once the broker has the
  // topics, or after a second. Fails with kInvalidArgument for a name that no topic of Kafka can have.
  Result<std::unique_ptr<Subscription>> subscribe(const std::string& app_id, std::vector<std::string> topics,
                                                  TopicHandler handler);

  // Ends the subscriptions, waits for deliveries and their commits, leaves the groups, then lets messages arrive.
  void close(SteadyTime deadline);

 private:
  class Handle;
  struct Member {
    std::string app_id;
    std::set<std::string> topics;
    std::shared_ptr<KafkaConsumer> consumer;
  };

  KafkaClient(KafkaOptions options, net::Worker& worker, KafkaConsumer::Warn warn,
              std::shared_ptr<const MessageFields> fields, std::unique_ptr<KafkaProducer> producer);
  // `ended` is the worker's.
  void end(const std::shared_ptr<KafkaConsumer>& consumer, const std::vector<std::string>& topics,
           std::shared_ptr<bool> ended);

  const KafkaOptions options_;
  net::Worker& worker_;
  const KafkaConsumer::Warn warn_;
  const std::shared_ptr<const MessageFields> fields_;
  const std::unique_ptr<KafkaProducer> producer_;
  std::mutex mutex_;
  std::vector<Member> members_;
  bool closed_ = false;
  std::unique_ptr<BlockingPool> looking_;  // once there is a subscription
};

}  // namespace tandem::components::kafka
