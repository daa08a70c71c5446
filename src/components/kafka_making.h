// A component on Kafka out of its metadata, and what it says in the log: one place for the two blocks that have one.
#pragma once

#include <memory>
#include <string_view>

#include "components/built_in.h"
#include "components/kafka/kafka_client.h"

namespace tandem::components {

// Fails as kafka_options.h and kafka_client.h say. `scope` is a literal.
Result<std::unique_ptr<kafka::KafkaClient>> make_kafka_client(const Making& making, std::string_view scope,
                                                              kafka::RetryDefault retry_by_default);

}  // namespace tandem::components
