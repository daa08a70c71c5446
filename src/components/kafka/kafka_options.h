// KafkaOptions: what the metadata of a Kafka component says, with Dapr's names, defaults and rules
// (https://docs.dapr.io/reference/components-reference/supported-pubsub/setup-apache-kafka/; where that page and daprd
// differ, daprd is right).
//
// Plain values; any thread. Reading fails with kInvalidArgument and the key at fault, or kUnimplemented for what Tandem
// does not do.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/component_metadata.h"

namespace tandem::components::kafka {

// How long a message waits that its handler has refused for now: `backOff…`.
struct RetryOptions {
  enum class Policy { kConstant, kExponential };

  bool enabled = true;
  Policy policy = Policy::kConstant;
  std::chrono::milliseconds duration{5'000};  // constant
  std::chrono::milliseconds initial_interval{500};
  std::chrono::milliseconds max_interval{60'000};
  double multiplier = 1.5;
  double randomization_factor = 0.5;
  std::chrono::milliseconds max_elapsed{900'000};  // exponential; zero: for ever
  std::int64_t max_retries = -1;                   // below zero: for ever
};

struct KafkaOptions {
  std::string brokers;  // host:port,host:port
  std::string consumer_group;
  std::string client_id;
  bool tls = false;
  bool skip_verify = false;
  std::string ca_cert;  // PEM
  std::string client_cert;
  std::string client_key;
  std::string sasl_mechanism;  // as the protocol names it; empty: no SASL
  std::string sasl_username;
  std::string sasl_password;
  bool oldest_first = false;  // where a group begins that has read nothing yet
  std::int64_t max_message_bytes = 1024 * 1024;
  std::string compression = "none";
  std::string rebalance_strategy = "range";
  std::chrono::milliseconds heartbeat_interval{3'000};
  std::chrono::milliseconds session_timeout{10'000};
  std::chrono::milliseconds metadata_refresh{480'000};
  std::size_t buffered_messages = 256;  // read ahead of a partition
  std::int64_t fetch_min_bytes = 1;
  std::int64_t fetch_bytes = 1024 * 1024;
  bool escape_headers = false;
  std::string excluded_headers;  // a regular expression; empty: none
  RetryOptions retry;
};

// `retry_by_default`: what consumeRetryEnabled is without being said.
enum class RetryDefault { kOn, kOff };
Result<KafkaOptions> read_kafka_options(const config::MetadataReader& metadata, RetryDefault retry_by_default);

// The keys that the user has set and that mean nothing here, each with the reason.
std::vector<std::string> idle_kafka_keys(const config::MetadataReader& metadata);

// A publisher or a subscription asks for Avro: fails. Nothing else is wrong with `valueSchemaType`.
Status check_value_schema(const Metadata& metadata);

}  // namespace tandem::components::kafka
