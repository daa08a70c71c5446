#include "components/kafka/message_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "components/kafka/testing/mock_cluster.h"

namespace tandem::components::kafka {
namespace {

using testing::Contains;
using testing::Key;
using testing::Not;
using testing::Pair;
using testing::UnorderedElementsAre;
using Escape = MessageFields::Escape;

TEST(MessageFieldsTest, MetadataBecomesHeadersAndSomeOfItMore) {
  const auto fields = MessageFields::compile("", Escape::kNo).value();
  const Metadata metadata = {{"partitionKey", "k"}, {"partitionNumber", "2"}, {"colour", "red"}};
  const OutgoingFields out = fields->outgoing(metadata).value();
  EXPECT_EQ(out.key, "k");
  EXPECT_EQ(out.partition, 2);
  EXPECT_THAT(out.headers,
              UnorderedElementsAre(Pair("partitionKey", "k"), Pair("partitionNumber", "2"), Pair("colour", "red")));
  EXPECT_EQ(fields->outgoing({}).value().key, std::nullopt);
  EXPECT_EQ(fields->outgoing({}).value().partition, RD_KAFKA_PARTITION_UA);
  const Metadata by_own_name = {{"__key", "own"}};
  EXPECT_EQ(fields->outgoing(by_own_name).value().key, "own");
}

TEST(MessageFieldsTest, WhatIsExcludedMakesNoHeader) {
  const auto fields = MessageFields::compile("^raw|Type$", Escape::kNo).value();
  const Metadata metadata = {{"rawPayload", "true"}, {"valueSchemaType", "none"}, {"partitionKey", "k"}};
  const OutgoingFields out = fields->outgoing(metadata).value();
  EXPECT_THAT(out.headers, UnorderedElementsAre(Pair("partitionKey", "k")));
  EXPECT_EQ(out.key, "k");
  EXPECT_EQ(MessageFields::compile("(", Escape::kNo).error().code, Code::kInvalidArgument);
}

TEST(MessageFieldsTest, WhatASubscriberIsTold) {
  MockCluster cluster;
  KafkaOptions options;
  options.escape_headers = true;
  options.excluded_headers = "^secret";
  KafkaProcess process(cluster.brokers(), options);
  ASSERT_TRUE(process.publish("t", "x", {{"partitionKey", "ä b/c"}, {"note", "a\nb ~"}, {"secretive", "1"}}));
  Inbox inbox;
  process.listen("t", "app", inbox);
  const Metadata told = inbox.wait_for(1)[0].metadata;
  EXPECT_EQ(told.at("__key"), "%C3%A4+b%2Fc");
  EXPECT_EQ(told.at("note"), "a%0Ab+~");
  EXPECT_THAT(told, Not(Contains(Key("secretive"))));
  for (const char* name : {"__topic", "__partition", "__offset", "__timestamp"}) EXPECT_THAT(told, Contains(Key(name)));
}

}  // namespace
}  // namespace tandem::components::kafka
