#include "policy/metered_broker.h"

#include <algorithm>
#include <chrono>

namespace tandem::policy {
namespace {

telemetry::DeliveryStatus status_of(const Result<pubsub::Verdict>& verdict) {
  if (!verdict || *verdict == pubsub::Verdict::kRetry) return telemetry::DeliveryStatus::kRetry;
  return *verdict == pubsub::Verdict::kDrop ? telemetry::DeliveryStatus::kDrop : telemetry::DeliveryStatus::kSuccess;
}

}  // namespace

MeteredBroker::MeteredBroker(std::unique_ptr<pubsub::Broker> broker, telemetry::Metrics& metrics,
                             telemetry::ComponentLabels labels)
    : topics_(std::make_shared<TopicMetrics>(metrics, std::move(labels))), broker_(std::move(broker)) {}

void MeteredBroker::publish(const CallContext& context, pubsub::PublishRequest request, Completion<void> done) {
  telemetry::PubsubMetrics& metrics = topics_->of(context.app_id, request.topic);
  broker_->publish(context, std::move(request),
                   [topics = topics_, &metrics, started = std::chrono::steady_clock::now(),
                    done = std::move(done)](Status status) mutable {
                     const auto elapsed = std::chrono::steady_clock::now() - started;
                     if (status) {
                       metrics.publish.record_success(elapsed);
                     } else {
                       metrics.publish.record_failure(elapsed);
                     }
                     done(std::move(status));
                   });
}

void MeteredBroker::publish_bulk(const CallContext& context, std::vector<pubsub::PublishRequest> requests,
                                 Completion<std::vector<Status>> done) {
  if (requests.empty()) return broker_->publish_bulk(context, std::move(requests), std::move(done));
  telemetry::OperationMetrics& metrics = topics_->of(context.app_id, requests.front().topic).bulk_publish();
  broker_->publish_bulk(context, std::move(requests),
                        [topics = topics_, &metrics, started = std::chrono::steady_clock::now(),
                         done = std::move(done)](Result<std::vector<Status>> outcomes) mutable {
                          const auto elapsed = std::chrono::steady_clock::now() - started;
                          const auto good = [](const Status& outcome) { return outcome.has_value(); };
                          if (outcomes && std::ranges::all_of(*outcomes, good)) {
                            metrics.record_success(elapsed);
                          } else {
                            metrics.record_failure(elapsed);
                          }
                          done(std::move(outcomes));
                        });
}

pubsub::MessageHandler MeteredBroker::counted(const std::string& topic, const std::string& consumer_group,
                                              pubsub::MessageHandler handler) {
  telemetry::PubsubMetrics& metrics = topics_->of(consumer_group, topic);
  return [topics = topics_, &metrics, handler = std::move(handler)](pubsub::Message message,
                                                                    Completion<pubsub::Verdict> done) {
    metrics.in_flight.add(1);
    handler(std::move(message), [topics, &metrics, started = std::chrono::steady_clock::now(),
                                 done = std::move(done)](Result<pubsub::Verdict> verdict) mutable {
      metrics.in_flight.add(-1);
      metrics.record_delivery(status_of(verdict), std::chrono::steady_clock::now() - started);
      done(std::move(verdict));
    });
  };
}

Result<std::unique_ptr<pubsub::Broker::Subscription>> MeteredBroker::subscribe(std::string topic,
                                                                               std::string consumer_group,
                                                                               Metadata metadata,
                                                                               pubsub::MessageHandler handler) {
  handler = counted(topic, consumer_group, std::move(handler));
  return broker_->subscribe(std::move(topic), std::move(consumer_group), std::move(metadata), std::move(handler));
}

Result<std::unique_ptr<pubsub::Broker::Subscription>> MeteredBroker::subscribe_bulk(std::string topic,
                                                                                    std::string consumer_group,
                                                                                    Metadata metadata,
                                                                                    std::size_t count,
                                                                                    pubsub::MessageHandler handler) {
  handler = counted(topic, consumer_group, std::move(handler));
  return broker_->subscribe_bulk(std::move(topic), std::move(consumer_group), std::move(metadata), count,
                                 std::move(handler));
}

}  // namespace tandem::policy
