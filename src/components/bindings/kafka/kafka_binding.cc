#include "components/bindings/kafka/kafka_binding.h"

#include <array>

#include "base/text.h"
#include "blocks/pubsub/pubsub_broker.h"

namespace tandem::components {
namespace {

constexpr std::array<std::string_view, 1> kOperations = {"create"};

class KafkaReading final : public bindings::InputBinding::Reading {
 public:
  explicit KafkaReading(std::unique_ptr<kafka::KafkaClient::Subscription> subscription)
      : subscription_(std::move(subscription)) {}

 private:
  const std::unique_ptr<kafka::KafkaClient::Subscription> subscription_;
};

}  // namespace

std::span<const std::string_view> KafkaOutputBinding::operations() const { return kOperations; }

void KafkaOutputBinding::invoke(const CallContext& context, bindings::InvokeRequest request,
                                Completion<bindings::InvokeAnswer> done) {
  if (topic_.empty()) return done(fail(Code::kInvalidArgument, "kafka binding: the component has no publishTopic"));
  client_->publish(context, topic_, share(std::move(request.data)), request.metadata,
                   [done = std::move(done)](Result<void> result) mutable {
                     if (!result) return done(fail(std::move(result.error())));
                     done(bindings::InvokeAnswer{});
                   });
}

Result<std::unique_ptr<bindings::InputBinding::Reading>> KafkaInputBinding::read(std::string app_id,
                                                                                 bindings::EventHandler handler) {
  auto subscription = client_->subscribe(
      app_id, topics_,
      {.handler = [handler = std::move(handler)](pubsub::Message message, Completion<pubsub::Verdict> done) {
        handler({.data = std::string(*message.data), .metadata = std::move(message.metadata)},
                [done = std::move(done)](Result<std::string> answer) mutable {
                  done(answer ? pubsub::Verdict::kSuccess : pubsub::Verdict::kRetry);
                });
      }});
  if (!subscription) return fail(std::move(subscription.error()));
  return std::make_unique<KafkaReading>(std::move(*subscription));
}

std::vector<std::string> split_topics(std::string_view text) {
  std::vector<std::string> topics;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view topic = trim(text.substr(0, comma));
    if (!topic.empty()) topics.emplace_back(topic);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return topics;
}

}  // namespace tandem::components
