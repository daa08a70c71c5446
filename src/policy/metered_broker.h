// A broker that counts and times what goes through it, as Dapr's dapr_component_pubsub_* metrics do: publications by
// app and topic, deliveries by what the app made of them.
//
// A decorator: owned in place of the broker that it owns. Threads and failures are those of the broker behind it.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "blocks/pubsub/pubsub_broker.h"
#include "policy/topic_metrics.h"

namespace tandem::policy {

class MeteredBroker final : public pubsub::Broker {
 public:
  MeteredBroker(std::unique_ptr<pubsub::Broker> broker, telemetry::Metrics& metrics, telemetry::ComponentLabels labels);

  void publish(const CallContext& context, pubsub::PublishRequest request, Completion<void> done) override;
  // One call, whatever the number of messages; it has succeeded when all of them have.
  void publish_bulk(const CallContext& context, std::vector<pubsub::PublishRequest> requests,
                    Completion<std::vector<Status>> done) override;
  Result<std::unique_ptr<Subscription>> subscribe(std::string topic, std::string consumer_group, Metadata metadata,
                                                  pubsub::MessageHandler handler) override;
  Result<std::unique_ptr<Subscription>> subscribe_bulk(std::string topic, std::string consumer_group, Metadata metadata,
                                                       std::size_t count, pubsub::MessageHandler handler) override;
  void close(SteadyTime deadline) override { broker_->close(deadline); }

 private:
  pubsub::MessageHandler counted(const std::string& topic, const std::string& consumer_group,
                                 pubsub::MessageHandler handler);

  // Before the broker: deliveries under way still count while it closes.
  const std::shared_ptr<TopicMetrics> topics_;
  const std::unique_ptr<pubsub::Broker> broker_;
};

}  // namespace tandem::policy
