#include "components/pubsub/redis/redis_stream_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "components/component_schemas.h"
#include "config/component.h"

namespace tandem::components {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using Items = std::vector<std::pair<std::string, std::string>>;

Result<RedisStreamOptions> options(Items items) {
  items.emplace_back("redisHost", "db");
  config::Component component{.name = "pubsub", .type = "pubsub.redis"};
  for (const auto& [name, value] : items) component.metadata.push_back({.name = name, .value = value});
  const auto schema = config::parse_component_schema(kRedisPubsubSchema.text, "metadata.yaml");
  EXPECT_TRUE(schema.has_value());
  config::Diagnostics diagnostics;
  return read_redis_stream_options(config::check(component, *schema, diagnostics));
}

TEST(RedisStreamOptionsTest, DefaultsAreDaprds) {
  const RedisStreamOptions read = options({}).value();
  EXPECT_EQ(read.consumer_id, "");
  EXPECT_EQ(read.redeliver_interval, milliseconds(15'000));
  EXPECT_EQ(read.processing_timeout, milliseconds(60'000));
  EXPECT_EQ(read.queue_depth, 100u);
  EXPECT_EQ(read.concurrency, 10u);
  EXPECT_EQ(read.max_length, 0);
  EXPECT_EQ(read.stream_ttl, milliseconds(0));
  EXPECT_EQ(read.redis.min_retry_interval, milliseconds(8));
  EXPECT_TRUE(read.redelivers());
}

TEST(RedisStreamOptionsTest, ReadsWhatIsThere) {
  const RedisStreamOptions read = options({{"consumerID", " group "},
                                           {"redeliverInterval", "1500"},
                                           {"processingTimeout", "2m"},
                                           {"queueDepth", "7"},
                                           {"concurrency", "3"},
                                           {"maxLenApprox", "1000"},
                                           {"streamTTL", "720h"}})
                                      .value();
  EXPECT_EQ(read.consumer_id, "group");
  EXPECT_EQ(read.redeliver_interval, milliseconds(1500));
  EXPECT_EQ(read.processing_timeout, std::chrono::minutes(2));
  EXPECT_EQ(read.queue_depth, 7u);
  EXPECT_EQ(read.concurrency, 3u);
  EXPECT_EQ(read.max_length, 1000);
  EXPECT_EQ(read.stream_ttl, std::chrono::hours(720));
}

TEST(RedisStreamOptionsTest, ZeroMeansNoRedelivery) {
  EXPECT_FALSE(options({{"redeliverInterval", "0"}})->redelivers());
  EXPECT_FALSE(options({{"processingTimeout", "0s"}})->redelivers());
}

TEST(RedisStreamOptionsTest, SaysWhatIsWrong) {
  for (const auto& [key, value] : Items{{"redeliverInterval", "-1"},
                                        {"processingTimeout", "soon"},
                                        {"streamTTL", "30d"},
                                        {"queueDepth", "0"},
                                        {"queueDepth", "100001"},
                                        {"concurrency", "0"},
                                        {"maxLenApprox", "-1"}}) {
    const auto read = options({{key, value}});
    ASSERT_FALSE(read.has_value()) << key << " " << value;
    EXPECT_THAT(read.error().message, HasSubstr(key));
  }
  EXPECT_EQ(options({{"useEntraID", "true"}}).error().code, Code::kUnimplemented);
}

}  // namespace
}  // namespace tandem::components
