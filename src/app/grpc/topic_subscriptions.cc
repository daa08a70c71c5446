#include "app/grpc/topic_subscriptions.h"

#include <utility>

namespace tandem::app::grpc {

std::vector<config::Subscription> topic_subscriptions(
    const ::dapr::proto::runtime::v1::ListTopicSubscriptionsResponse& response) {
  std::vector<config::Subscription> subscriptions;
  for (const auto& one : response.subscriptions()) {
    config::Subscription subscription;
    subscription.pubsub_name = one.pubsub_name();
    subscription.topic = one.topic();
    subscription.dead_letter_topic = one.dead_letter_topic();
    subscription.default_path = one.routes().default_();
    for (const auto& [name, value] : one.metadata()) subscription.metadata.emplace(name, value);
    for (const auto& rule : one.routes().rules()) subscription.rules.push_back({rule.match(), rule.path()});
    if (subscription.rules.empty() && subscription.default_path.empty()) subscription.rules.push_back({"", ""});
    subscription.bulk = {.enabled = one.bulk_subscribe().enabled(),
                         .max_messages_count = one.bulk_subscribe().max_messages_count(),
                         .max_await_duration_ms = one.bulk_subscribe().max_await_duration_ms()};
    subscriptions.push_back(std::move(subscription));
  }
  return subscriptions;
}

}  // namespace tandem::app::grpc
