#include "components/redis/redis_options.h"

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
using testing::ElementsAre;
using testing::HasSubstr;
using Items = std::vector<std::pair<std::string, std::string>>;

config::MetadataReader reader(const Items& items) {
  config::Component component{.name = "store", .type = "state.redis"};
  for (const auto& [name, value] : items) component.metadata.push_back({.name = name, .value = value});
  const auto schema = config::parse_component_schema(kRedisStateSchema.text, "metadata.yaml");
  EXPECT_TRUE(schema.has_value());
  config::Diagnostics diagnostics;
  config::MetadataReader checked = config::check(component, *schema, diagnostics);
  EXPECT_EQ(diagnostics.to_string(), "");
  return checked;
}

Result<RedisOptions> options(const Items& items) { return read_redis_options(reader(items)); }

// Host and port of the first address, or what is wrong with it.
std::string address(const Items& items) {
  const Result<RedisOptions> read = options(items);
  if (!read) return read.error().message;
  return read->addresses.front().host + " " + std::to_string(read->addresses.front().port);
}

TEST(RedisOptionsTest, WhereTheServerIs) {
  EXPECT_EQ(address({{"redisHost", "db"}}), "db 6379");
  EXPECT_EQ(address({{"redisHost", "db:7000"}}), "db 7000");
  EXPECT_EQ(address({{"redisHost", "db"}, {"redisPort", "7000"}}), "db 7000");
  EXPECT_EQ(address({{"redisHost", "db:7000"}, {"redisPort", "7000"}}), "db 7000");
  EXPECT_EQ(address({{"redisHost", "[::1]:7000"}}), "::1 7000");
  EXPECT_EQ(address({{"redisHost", "::1"}}), "::1 6379");
  EXPECT_THAT(address({{"redisHost", "db:7000"}, {"redisPort", "7001"}}), HasSubstr("another port than redisPort"));
  EXPECT_THAT(address({{"redisHost", "db:x"}}), HasSubstr("no valid port"));
  EXPECT_THAT(address({{"redisHost", "[::1"}}), HasSubstr("lacks a ]"));
  EXPECT_THAT(address({{"redisHost", ":7000"}}), HasSubstr("has no host"));
  EXPECT_THAT(address({{"redisHost", "db"}, {"redisPort", "70000"}}), HasSubstr("redisPort: must be a port"));
  EXPECT_THAT(address({{"redisHost", "a,b"}}), HasSubstr("several hosts are for sentinels"));
}

TEST(RedisOptionsTest, Sentinels) {
  const auto read = options({{"redisHost", "a:1, b"}, {"failover", "true"}, {"sentinelMasterName", "orders"}});
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->addresses.size(), 2u);
  EXPECT_EQ(read->addresses[1].host, "b");
  EXPECT_EQ(read->sentinel_master, "orders");
  EXPECT_THAT(options({{"redisHost", "a"}, {"failover", "true"}}).error().message, HasSubstr("sentinelMasterName"));
  EXPECT_TRUE(options({{"redisHost", "a,b"}, {"redisType", "Cluster"}})->cluster);
}

TEST(RedisOptionsTest, DaprsDefaults) {
  const RedisOptions read = options({{"redisHost", "db"}}).value();
  EXPECT_EQ(read.dial_timeout, milliseconds(5000));
  EXPECT_EQ(read.read_timeout, milliseconds(3000));
  EXPECT_EQ(read.write_timeout, milliseconds(3000));
  EXPECT_EQ(read.max_retries, 3);
  EXPECT_EQ(read.min_retry_interval, milliseconds(2000));
  EXPECT_EQ(read.max_retry_interval, milliseconds(512));
  EXPECT_EQ(read.database, 0);
  EXPECT_EQ(read.tls, nullptr);
}

TEST(RedisOptionsTest, DurationsAreDaprs) {
  const RedisOptions read = options({{"redisHost", "db"},
                                     {"readTimeout", "250"},
                                     {"dialTimeout", "2s"},
                                     {"redisMinRetryInterval", "8ms"},
                                     {"redisMaxRetryInterval", "1m"}})
                                .value();
  EXPECT_EQ(read.read_timeout, milliseconds(250));
  EXPECT_EQ(read.write_timeout, milliseconds(250));
  EXPECT_EQ(read.dial_timeout, milliseconds(2000));
  EXPECT_EQ(read.min_retry_interval, milliseconds(8));
  EXPECT_EQ(read.max_retry_interval, milliseconds(60'000));
  EXPECT_EQ(options({{"redisHost", "db"}, {"readTimeout", "-1"}})->read_timeout, milliseconds(0));
  EXPECT_EQ(options({{"redisHost", "db"}, {"readTimeout", "0"}})->read_timeout, milliseconds(3000));
  EXPECT_EQ(options({{"redisHost", "db"}, {"maxRetryBackoff", "7000000"}})->min_retry_interval, milliseconds(7));
  EXPECT_THAT(options({{"redisHost", "db"}, {"readTimeout", "soon"}}).error().message, HasSubstr("readTimeout: must"));
}

TEST(RedisOptionsTest, Retries) {
  EXPECT_EQ(options({{"redisHost", "db"}, {"redisMaxRetries", "-1"}})->max_retries, 0);
  EXPECT_EQ(options({{"redisHost", "db"}, {"redisMaxRetries", "0"}})->max_retries, 3);
  EXPECT_EQ(options({{"redisHost", "db"}, {"maxRetries", "7"}})->max_retries, 7);
}

TEST(RedisOptionsTest, CertificatesCountOnlyWithTls) {
  const Items broken = {{"redisHost", "db"}, {"clientCert", "no PEM"}, {"clientKey", "no PEM"}};
  EXPECT_TRUE(options(broken));
  Items with_tls = broken;
  with_tls.emplace_back("enableTLS", "true");
  EXPECT_THAT(options(with_tls).error().message, HasSubstr("clientCert, clientKey: the client certificate"));
  EXPECT_NE(options({{"redisHost", "db"}, {"enableTLS", "true"}})->tls, nullptr);
}

TEST(RedisOptionsTest, WhatIsNotThereIsRefusedByName) {
  EXPECT_EQ(
      options({{"redisHost", "db"}, {"redisType", "cluster"}, {"failover", "true"}, {"sentinelMasterName", "orders"}})
          .error()
          .code,
      Code::kUnimplemented);
  EXPECT_THAT(options({{"redisHost", "db"}, {"useAzureAD", "true"}}).error().message, HasSubstr("useEntraID"));
  EXPECT_THAT(options({{"redisHost", "db"}, {"queryIndexes", "[]"}}).error().message, HasSubstr("queryIndexes"));
  EXPECT_THAT(idle_redis_keys(reader({{"redisHost", "db"}, {"poolsize", "20"}})), ElementsAre("poolSize"));
}

}  // namespace
}  // namespace tandem::components
