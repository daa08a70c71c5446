#include "base/json_normal.h"

#include <gtest/gtest.h>

#include <string>

#include "base/json.h"

namespace tandem {
namespace {

std::string normal(std::string_view text) {
  const auto value = parse_json(text);
  if (!value) return value.error().message;
  auto made = normal_json(*value);
  return made ? *made : "error: " + made.error().message;
}

TEST(NormalJson, LeavesOutWhiteSpace) {
  EXPECT_EQ(normal(" {\"a\" : [ 1 ,\t\"x y\", { } , [ ] ],\n\"b\": null } "), R"({"a":[1,"x y",{},[]],"b":null})");
  EXPECT_EQ(normal(" true "), "true");
}

TEST(NormalJson, SortsMembersAndKeepsTheLastOfEqualOnes) {
  EXPECT_EQ(normal(R"({"b":1,"a":{"d":4,"c":3}})"), R"({"a":{"c":3,"d":4},"b":1})");
  EXPECT_EQ(normal(R"({"a":1,"b":2,"a":3})"), R"({"a":3,"b":2})");
  EXPECT_EQ(normal(R"({"b":1,"\u0061":2})"), R"({"a":2,"b":1})");
}

TEST(NormalJson, WritesStringsAsGoDoes) {
  EXPECT_EQ(normal(R"("<a href='x'>&\/")"), R"("\u003ca href='x'\u003e\u0026/")");
  EXPECT_EQ(normal(R"("\u00e9\ud83d\ude00")"), "\"\u00e9\U0001F600\"");
  EXPECT_EQ(normal(R"("\ud800")"), "\"\uFFFD\"");
  EXPECT_EQ(normal(R"("\u0000\n\"\\")"), R"("\u0000\n\"\\")");
}

TEST(NormalJson, WritesNumbersAsGoDoes) {
  EXPECT_EQ(normal("1.0"), "1");
  EXPECT_EQ(normal("1e3"), "1000");
  EXPECT_EQ(normal("0.1e-7"), "1e-8");
  EXPECT_EQ(normal("0.000001"), "0.000001");
  EXPECT_EQ(normal("1e21"), "1e+21");
  EXPECT_EQ(normal("123456789.50"), "123456789.5");
  EXPECT_EQ(normal("-0"), "-0");
  EXPECT_EQ(normal("1e-400"), "0");
  EXPECT_EQ(normal("[1, 1E400]"), "error: the number 1E400 is too large");
}

TEST(NormalJson, LosesNoDigits) {
  EXPECT_EQ(normal("12345678901234567890"), "12345678901234567890");
  EXPECT_EQ(normal("9007199254740993"), "9007199254740993");
}

TEST(NormalJson, LeavesWhatIsVeryDeepAsItIs) {
  const std::string deep(kMaxNormalDepth, '[');
  const std::string ends(kMaxNormalDepth, ']');
  EXPECT_EQ(normal(deep + R"({"b": "}", "a": 1})" + ends), deep + R"({"b": "}", "a": 1})" + ends);
  const std::string deepest(kMaxJsonDepth, '[');
  EXPECT_EQ(normal(deepest + std::string(kMaxJsonDepth, ']')), deepest + std::string(kMaxJsonDepth, ']'));
}

}  // namespace
}  // namespace tandem
