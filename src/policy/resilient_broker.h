// A broker behind the publishing app's resiliency policies. Deliveries have policies of their own: event_policies.h.
//
// A decorator: owned in place of the broker that it owns, and only made for a component that has policies. Completions
// may also come on the guards' timers.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "blocks/pubsub/pubsub_broker.h"
#include "policy/app_protections.h"

namespace tandem::policy {

class ResilientBroker final : public pubsub::Broker {
 public:
  ResilientBroker(std::unique_ptr<pubsub::Broker> broker, AppProtections protections)
      : broker_(std::move(broker)), protections_(std::move(protections)) {}

  void publish(const CallContext& context, pubsub::PublishRequest request, Completion<void> done) override;
  // Again with those messages alone that were not taken.
  void publish_bulk(const CallContext& context, std::vector<pubsub::PublishRequest> requests,
                    Completion<std::vector<Status>> done) override;
  Result<std::unique_ptr<Subscription>> subscribe(std::string topic, std::string consumer_group, Metadata metadata,
                                                  pubsub::MessageHandler handler) override {
    return broker_->subscribe(std::move(topic), std::move(consumer_group), std::move(metadata), std::move(handler));
  }
  Result<std::unique_ptr<Subscription>> subscribe_bulk(std::string topic, std::string consumer_group, Metadata metadata,
                                                       std::size_t count, pubsub::MessageHandler handler) override {
    return broker_->subscribe_bulk(std::move(topic), std::move(consumer_group), std::move(metadata), count,
                                   std::move(handler));
  }
  void close(SteadyTime deadline) override { broker_->close(deadline); }

 private:
  const std::unique_ptr<pubsub::Broker> broker_;
  const AppProtections protections_;
};

}  // namespace tandem::policy
