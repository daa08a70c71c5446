#include "blocks/pubsub/json_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/json.h"

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
  EXPECT_TRUE(first_json_value(nested(kMaxJsonDepth)).has_value());
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

TEST(JsonTextTest, StringsAreRead) {
  EXPECT_EQ(json_string(R"("a\"b\\c\n🌍")"), "a\"b\\c\n🌍");
  EXPECT_EQ(json_string("\"\""), "");
  EXPECT_EQ(json_string(""), std::nullopt);
  EXPECT_EQ(json_string(R"("\ud83c\udf0d")"), "🌍");
  EXPECT_EQ(json_string("1"), std::nullopt);
}

}  // namespace
}  // namespace tandem::pubsub
