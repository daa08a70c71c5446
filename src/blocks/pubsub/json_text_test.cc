#include "blocks/pubsub/json_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tandem::pubsub {
namespace {

TEST(JsonTextTest, FindsTheFirstValue) {
  for (const char* text : {"{}", "[1,2]", "\"a\"", "12", "-1.5e3", "true", "null", "{\"a\":{\"b\":[1,\"}\"]}}",
                           "12345678901234567890123456789"}) {
    EXPECT_EQ(first_json_value(text), text);
    EXPECT_EQ(first_json_value("  \n" + std::string(text) + " "), text);
  }
  EXPECT_EQ(first_json_value("{\"a\":1} trailing"), "{\"a\":1}");
  for (const char* text : {"", " ", "{", "{\"a\":}", "nul", "'a'", "{\"a\":1,}", "<xml/>", "\"open"}) {
    EXPECT_EQ(first_json_value(text), std::nullopt) << text;
  }
}

TEST(JsonTextTest, NestingHasALimit) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(first_json_value(nested(kMaxDepth)).has_value());
  EXPECT_FALSE(first_json_value(nested(100'000)).has_value());
}

TEST(JsonTextTest, MembersWithTheirText) {
  const auto members =
      json_members(R"( {"a" : 1 , "b\"\u00e9":"x,}\"" ,"c":{"d":[{"e":"}"}]},"f":[],"a":true, "g":-0.5e+2} )");
  ASSERT_TRUE(members.has_value());
  std::vector<std::string> seen;
  for (const JsonMember& member : *members) seen.push_back(member.name + "=" + std::string(member.value));
  EXPECT_THAT(seen,
              testing::ElementsAre("a=true", "b\"é=\"x,}\\\"\"", "c={\"d\":[{\"e\":\"}\"}]}", "f=[]", "g=-0.5e+2"));
  EXPECT_THAT(*json_members("{}"), testing::IsEmpty());
  EXPECT_FALSE(json_members("[]").has_value());
  EXPECT_FALSE(json_members("null").has_value());
  EXPECT_FALSE(json_members("{\"a\"}").has_value());
}

TEST(JsonTextTest, StringsAreEscapedAndRead) {
  const auto quoted = [](std::string_view text) {
    std::string result;
    append_json_string(result, text);
    return result;
  };
  EXPECT_EQ(quoted("a\"b\\c\n\r\t"), R"("a\"b\\c\n\r\t")");
  EXPECT_EQ(quoted(std::string("\x01\x1f\0", 3)), R"("\u0001\u001f\u0000")");
  EXPECT_EQ(quoted("grüße 🌍"), "\"grüße 🌍\"");
  EXPECT_EQ(quoted("a\xff"
                   "b"),
            R"("a\ufffdb")");
  EXPECT_EQ(quoted("\xc3"), R"("\ufffd")");
  EXPECT_EQ(quoted("\xed\xa0\x80"), R"("\ufffd\ufffd\ufffd")");
  EXPECT_EQ(json_string(quoted("a\"b\\c\n🌍")), "a\"b\\c\n🌍");
  EXPECT_EQ(json_string(R"("\ud83c\udf0d")"), "🌍");
  EXPECT_EQ(json_string("1"), std::nullopt);
}

}  // namespace
}  // namespace tandem::pubsub
