// pubsub.kafka: messages in Kafka's topics, as Dapr's own component keeps them, so that a daprd and a Tandem may
// publish to one topic, and read it in one consumer group.
//
// A publish is done when Kafka has the message for sure. A subscription is a member of the component's consumer group,
// or else of one named after the app; the messages of a partition are delivered one after the other, and a message is
// Kafka's until the app has taken it (components/kafka/).
//
// publish() on any thread, everything else on any but the worker's. Failures: components/kafka/kafka_client.h's.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "blocks/pubsub/pubsub_broker.h"
#include "components/kafka/kafka_client.h"

namespace tandem::components {

class KafkaBroker final : public pubsub::Broker {
 public:
  explicit KafkaBroker(std::unique_ptr<kafka::KafkaClient> client) : client_(std::move(client)) {}

  void publish(const CallContext& context, pubsub::PublishRequest request, Completion<void> done) override {
    client_->publish(context, request.topic, std::move(request.data), request.metadata, std::move(done));
  }
  // All at once; each has an end of its own.
  void publish_bulk(const CallContext& context, std::vector<pubsub::PublishRequest> requests,
                    Completion<std::vector<Status>> done) override;
  Result<std::unique_ptr<Subscription>> subscribe(std::string topic, std::string consumer_group, Metadata metadata,
                                                  pubsub::MessageHandler handler) override;
  Result<std::unique_ptr<Subscription>> subscribe_bulk(std::string topic, std::string consumer_group, Metadata metadata,
                                                       std::size_t count, pubsub::MessageHandler handler) override;
  void close(SteadyTime deadline) override { client_->close(deadline); }

 private:
  const std::unique_ptr<kafka::KafkaClient> client_;
};

}  // namespace tandem::components
