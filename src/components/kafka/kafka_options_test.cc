#include "components/kafka/kafka_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "components/component_schemas.h"
#include "config/component.h"

namespace tandem::components::kafka {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using Items = std::vector<std::pair<std::string, std::string>>;

const std::string kPem = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";

config::MetadataReader reader(const Items& items, const EmbeddedSchema& text = kKafkaPubsubSchema) {
  config::Component component{.name = "it", .type = "pubsub.kafka"};
  for (const auto& [name, value] : items) component.metadata.push_back({.name = name, .value = value});
  const auto schema = config::parse_component_schema(text.text, "metadata.yaml");
  EXPECT_TRUE(schema.has_value());
  config::Diagnostics diagnostics;
  return config::check(component, *schema, diagnostics);
}

Result<KafkaOptions> options(Items items) {
  items.emplace_back("brokers", "one:9092,two:9092");
  return read_kafka_options(reader(items), RetryDefault::kOn);
}

Error refusal(Items items) {
  const Result<KafkaOptions> read = options(std::move(items));
  EXPECT_FALSE(read.has_value());
  return read ? Error() : read.error();
}

TEST(KafkaOptionsTest, DefaultsAreDaprds) {
  const KafkaOptions read = options({{"authType", "none"}}).value();
  EXPECT_EQ(read.brokers, "one:9092,two:9092");
  EXPECT_EQ(read.consumer_group, "");
  EXPECT_FALSE(read.tls);
  EXPECT_EQ(read.sasl_mechanism, "");
  EXPECT_FALSE(read.oldest_first);
  EXPECT_EQ(read.max_message_bytes, 1024 * 1024);
  EXPECT_EQ(read.compression, "none");
  EXPECT_EQ(read.rebalance_strategy, "range");
  EXPECT_EQ(read.heartbeat_interval, milliseconds(3'000));
  EXPECT_EQ(read.session_timeout, milliseconds(10'000));
  EXPECT_EQ(read.buffered_messages, 256u);
  EXPECT_TRUE(read.retry.enabled);
  EXPECT_EQ(read.retry.policy, RetryOptions::Policy::kConstant);
  EXPECT_EQ(read.retry.duration, milliseconds(5'000));
  EXPECT_EQ(read.retry.max_retries, -1);
}

TEST(KafkaOptionsTest, ABindingTriesOnceByDefault) {
  Items items = {{"brokers", "b"}};
  items.emplace_back("authType", "none");
  const auto metadata = reader(items, kKafkaBindingSchema);
  EXPECT_FALSE(read_kafka_options(metadata, RetryDefault::kOff)->retry.enabled);
}

TEST(KafkaOptionsTest, ReadsWhatIsThere) {
  const KafkaOptions read = options({{"authType", "none"},
                                     {"consumerID", "by id"},
                                     {"consumerGroup", "group"},
                                     {"clientId", "me"},
                                     {"initialOffset", "Oldest"},
                                     {"maxMessageBytes", "2048"},
                                     {"compression", "ZSTD"},
                                     {"consumerGroupRebalanceStrategy", "roundrobin"},
                                     {"heartbeatInterval", "1s"},
                                     {"sessionTimeout", "6"},
                                     {"channelBufferSize", "10"},
                                     {"consumerFetchMin", "2"},
                                     {"consumerFetchDefault", "4096"},
                                     {"escapeHeaders", "true"},
                                     {"excludeHeaderMetaRegex", "^x"},
                                     {"consumeRetryEnabled", "false"},
                                     {"backOffPolicy", "exponential"},
                                     {"backOffInitialInterval", "100"},
                                     {"backOffMaxRetries", "3"}})
                                .value();
  EXPECT_EQ(read.consumer_group, "group");
  EXPECT_EQ(read.client_id, "me");
  EXPECT_TRUE(read.oldest_first);
  EXPECT_EQ(read.max_message_bytes, 2048);
  EXPECT_EQ(read.compression, "zstd");
  EXPECT_EQ(read.rebalance_strategy, "roundrobin");
  EXPECT_EQ(read.heartbeat_interval, milliseconds(1'000));
  EXPECT_EQ(read.session_timeout, milliseconds(6'000));
  EXPECT_EQ(read.buffered_messages, 10u);
  EXPECT_EQ(read.fetch_min_bytes, 2);
  EXPECT_EQ(read.fetch_bytes, 4096);
  EXPECT_TRUE(read.escape_headers);
  EXPECT_EQ(read.excluded_headers, "^x");
  EXPECT_FALSE(read.retry.enabled);
  EXPECT_EQ(read.retry.policy, RetryOptions::Policy::kExponential);
  EXPECT_EQ(read.retry.initial_interval, milliseconds(100));
  EXPECT_EQ(read.retry.max_retries, 3);
  EXPECT_EQ(options({{"authType", "none"}, {"consumerID", "by id"}, {"version", "3.9"}})->consumer_group, "by id");
}

TEST(KafkaOptionsTest, WaysToSignIn) {
  const KafkaOptions password =
      options({{"authType", "password"}, {"saslUsername", "u"}, {"saslPassword", "p"}, {"saslMechanism", "SHA-512"}})
          .value();
  EXPECT_TRUE(password.tls);
  EXPECT_EQ(password.sasl_mechanism, "SCRAM-SHA-512");
  const KafkaOptions plain =
      options({{"authType", "password"}, {"saslUsername", "u"}, {"saslPassword", "p"}, {"disableTls", "true"}}).value();
  EXPECT_FALSE(plain.tls);
  EXPECT_EQ(plain.sasl_mechanism, "PLAIN");
  const KafkaOptions legacy = options({{"authRequired", "true"}, {"saslUsername", "u"}, {"saslPassword", "p"}}).value();
  EXPECT_EQ(legacy.sasl_mechanism, "PLAIN");
  EXPECT_FALSE(options({{"authRequired", "false"}})->tls);
  const KafkaOptions mtls =
      options({{"authType", "mtls"}, {"caCert", kPem}, {"clientCert", kPem}, {"clientKey", kPem}}).value();
  EXPECT_TRUE(mtls.tls);
  EXPECT_EQ(mtls.client_cert, kPem);
  EXPECT_TRUE(options({{"authType", "certificate"}, {"caCert", kPem}})->tls);
}

TEST(KafkaOptionsTest, WhatIsMissingOrWrong) {
  EXPECT_THAT(refusal({}).message, HasSubstr("authType: is missing"));
  EXPECT_THAT(refusal({{"authType", "magic"}}).message, HasSubstr("authType: must be one of"));
  EXPECT_THAT(refusal({{"authType", "password"}, {"saslUsername", "u"}}).message,
              HasSubstr("saslPassword: is missing"));
  EXPECT_THAT(refusal({{"authType", "mtls"}, {"clientCert", "x"}}).message, HasSubstr("clientCert: is no PEM"));
  EXPECT_THAT(refusal({{"authType", "certificate"}}).message, HasSubstr("caCert: is missing"));
  EXPECT_THAT(refusal({{"authType", "none"}, {"caCert", "x"}}).message, HasSubstr("caCert: is no PEM"));
  EXPECT_THAT(refusal({{"authType", "none"}, {"initialOffset", "middle"}}).message, HasSubstr("initialOffset"));
  EXPECT_THAT(refusal({{"authType", "none"}, {"compression", "rar"}}).message, HasSubstr("compression"));
  EXPECT_THAT(refusal({{"authType", "none"}, {"version", "new"}}).message, HasSubstr("version"));
  EXPECT_THAT(refusal({{"authType", "none"}, {"channelBufferSize", "0"}}).message, HasSubstr("channelBufferSize"));
  EXPECT_THAT(refusal({{"authType", "none"}, {"heartbeatInterval", "10s"}}).message, HasSubstr("heartbeatInterval"));
  EXPECT_THAT(refusal({{"authType", "none"}, {"backOffDuration", "soon"}}).message, HasSubstr("backOffDuration"));
}

TEST(KafkaOptionsTest, WhatIsNotSupportedIsRefusedByName) {
  for (const auto& [key, value] : Items{{"authType", "oidc"},
                                        {"authType", "oidc_private_key_jwt"},
                                        {"authType", "awsiam"},
                                        {"schemaRegistryURL", "http://registry"},
                                        {"useAvroJSON", "true"},
                                        {"consumerGroupRebalanceStrategy", "sticky"}}) {
    const Error error = key == "authType" ? refusal({{key, value}}) : refusal({{"authType", "none"}, {key, value}});
    EXPECT_EQ(error.code, Code::kUnimplemented) << key;
    EXPECT_THAT(error.message, HasSubstr(key));
    EXPECT_THAT(error.message, HasSubstr("not supported"));
  }
}

TEST(KafkaOptionsTest, SaysWhichKeysMeanNothing) {
  EXPECT_THAT(idle_kafka_keys(reader({{"version", "2.0.0"}, {"schemaCachingEnabled", "true"}, {"brokers", "b"}})),
              ElementsAre(HasSubstr("version has no effect"), HasSubstr("schemaCachingEnabled has no effect")));
  EXPECT_TRUE(idle_kafka_keys(reader({{"authType", "none"}})).empty());
}

TEST(KafkaOptionsTest, ValueSchemas) {
  EXPECT_TRUE(check_value_schema({{"valueSchemaType", "None"}}));
  EXPECT_EQ(check_value_schema({{"valueSchemaType", "AVRO"}}).error().code, Code::kUnimplemented);
  EXPECT_EQ(check_value_schema({{"valueschematype", "xml"}}).error().message,
            "error parsing schema type. 'xml' is not a supported value");
}

}  // namespace
}  // namespace tandem::components::kafka
