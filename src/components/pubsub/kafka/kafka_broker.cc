#include "components/pubsub/kafka/kafka_broker.h"

#include <atomic>

#include "components/kafka/kafka_options.h"

namespace tandem::components {
namespace {

class Handle final : public pubsub::Broker::Subscription {
 public:
  explicit Handle(std::unique_ptr<kafka::KafkaClient::Subscription> subscription)
      : subscription_(std::move(subscription)) {}

 private:
  const std::unique_ptr<kafka::KafkaClient::Subscription> subscription_;
};

// What has become of the messages of a bulk; the last one to end says it.
struct Bulk {
  Bulk(std::size_t count, Completion<std::vector<Status>> done) : outcomes(count), left(count), done(std::move(done)) {}

  std::vector<Status> outcomes;
  std::atomic<std::size_t> left;
  Completion<std::vector<Status>> done;
};

}  // namespace

void KafkaBroker::publish_bulk(const CallContext& context, std::vector<pubsub::PublishRequest> requests,
                               Completion<std::vector<Status>> done) {
  if (requests.empty()) return done(std::vector<Status>());
  const auto bulk = std::make_shared<Bulk>(requests.size(), std::move(done));
  for (std::size_t i = 0; i < requests.size(); ++i) {
    publish(context, std::move(requests[i]), [bulk, i](Result<void> result) {
      bulk->outcomes[i] = std::move(result);
      if (bulk->left.fetch_sub(1) == 1) bulk->done(std::move(bulk->outcomes));
    });
  }
}

Result<std::unique_ptr<pubsub::Broker::Subscription>> KafkaBroker::subscribe(std::string topic,
                                                                             std::string consumer_group,
                                                                             Metadata metadata,
                                                                             pubsub::MessageHandler handler) {
  return subscribe_bulk(std::move(topic), std::move(consumer_group), std::move(metadata), 1, std::move(handler));
}

Result<std::unique_ptr<pubsub::Broker::Subscription>> KafkaBroker::subscribe_bulk(std::string topic,
                                                                                  std::string consumer_group,
                                                                                  Metadata metadata, std::size_t count,
                                                                                  pubsub::MessageHandler handler) {
  if (Status status = kafka::check_value_schema(metadata); !status) return fail(std::move(status.error()));
  auto subscription =
      client_->subscribe(consumer_group, {std::move(topic)}, {.handler = std::move(handler), .window = count});
  if (!subscription) return fail(std::move(subscription.error()));
  return std::make_unique<Handle>(std::move(*subscription));
}

}  // namespace tandem::components
