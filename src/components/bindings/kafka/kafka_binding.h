// bindings.kafka: what a topic gets is an event, what is created goes to a topic. The bytes are the message's, without
// an envelope.
//
// As an input binding it reads `topics`, in the consumer group of the component or else in one named after the app; an
// event that the app does not take is passed over unless consumeRetryEnabled is true, as in daprd. As an output binding
// it publishes to `publishTopic`, by the metadata `partitionKey` or `partitionNumber`. Threads and failures:
// components/kafka/kafka_client.h's.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "blocks/bindings/input_binding.h"
#include "blocks/bindings/output_binding.h"
#include "components/kafka/kafka_client.h"

namespace tandem::components {

class KafkaOutputBinding final : public bindings::OutputBinding {
 public:
  KafkaOutputBinding(std::unique_ptr<kafka::KafkaClient> client, std::string topic)
      : client_(std::move(client)), topic_(std::move(topic)) {}

  std::span<const std::string_view> operations() const override;
  // Fails with kInvalidArgument when the component has no publishTopic.
  void invoke(const CallContext& context, bindings::InvokeRequest request,
              Completion<bindings::InvokeAnswer> done) override;
  void close(SteadyTime deadline) override { client_->close(deadline); }

 private:
  const std::unique_ptr<kafka::KafkaClient> client_;
  const std::string topic_;
};

class KafkaInputBinding final : public bindings::InputBinding {
 public:
  // At least one topic.
  KafkaInputBinding(std::unique_ptr<kafka::KafkaClient> client, std::vector<std::string> topics)
      : client_(std::move(client)), topics_(std::move(topics)) {}

  Result<std::unique_ptr<Reading>> read(std::string app_id, bindings::EventHandler handler) override;
  void close(SteadyTime deadline) override { client_->close(deadline); }

 private:
  const std::unique_ptr<kafka::KafkaClient> client_;
  const std::vector<std::string> topics_;
};

// `topics` as the metadata has them, separated by commas.
std::vector<std::string> split_topics(std::string_view text);

}  // namespace tandem::components
