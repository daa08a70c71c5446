#include "components/redis/redis_codec.h"

#include <gtest/gtest.h>

#include <string>

namespace tandem::components {
namespace {

using Type = RedisValue::Type;

TEST(RedisCodecTest, CommandsAreArraysOfStrings) {
  EXPECT_EQ(encode_command({"GET", "k"}), "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
  const std::string binary("\0\r\n", 3);
  EXPECT_EQ(encode_command({"SET", "", binary}), "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$3\r\n" + binary + "\r\n");
}

TEST(RedisCodecTest, EveryKindOfAnswerByteByByte) {
  const std::string bytes =
      "+OK\r\n-ERR no\r\n:42\r\n$3\r\na\r\n\r\n$-1\r\n*-1\r\n*3\r\n$1\r\nx\r\n*2\r\n:1\r\n$-1\r\n+s\r\n*0\r\n";
  RedisReader reader;
  std::vector<RedisValue> values;
  for (const char byte : bytes) {
    ASSERT_TRUE(reader.feed({&byte, 1}));
    Result<std::optional<RedisValue>> value = reader.next();
    ASSERT_TRUE(value.has_value());
    if (*value) values.push_back(std::move(**value));
  }
  ASSERT_EQ(values.size(), 8u);
  EXPECT_EQ(values[0].type, Type::kStatus);
  EXPECT_EQ(values[0].text, "OK");
  EXPECT_TRUE(values[1].is_error("ERR"));
  EXPECT_FALSE(values[1].is_error("ER"));
  EXPECT_EQ(values[2].integer, 42);
  EXPECT_EQ(values[3].text, "a\r\n");
  EXPECT_TRUE(values[4].is_nil());
  EXPECT_TRUE(values[5].is_nil());
  ASSERT_EQ(values[6].items.size(), 3u);
  EXPECT_EQ(values[6].items[1].items[0].integer, 1);
  EXPECT_TRUE(values[6].items[1].items[1].is_nil());
  EXPECT_EQ(values[6].items[2].text, "s");
  EXPECT_EQ(values[7].type, Type::kArray);
  EXPECT_TRUE(values[7].items.empty());
}

TEST(RedisCodecTest, WhatIsNotTheProtocolIsRefused) {
  for (const char* bytes : {"HTTP/1.1 400\r\n", "*99999999\r\n", "$x\r\n"}) {
    RedisReader reader;
    ASSERT_TRUE(reader.feed(bytes));
    const Result<std::optional<RedisValue>> value = reader.next();
    EXPECT_FALSE(value.has_value() && value->has_value()) << bytes;
  }
}

}  // namespace
}  // namespace tandem::components
