#include "telemetry/baggage.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace tandem::telemetry {
namespace {

TEST(Baggage, IsReadAndWrittenAgain) {
  const std::pair<std::string_view, std::string_view> headers[] = {
      {"", ""},     {"k=v", "k=v"},     {" k = v , l=w;p;q = 1 ", "k=v,l=w;p;q=1"}, {"k=1,l=2,k=3", "k=3,l=2"},
      {"k=", "k="}, {"k=a=b", "k=a=b"}, {"k=a%20b%2c%41", "k=a%20b%2CA"},           {"k=%ff", "k=%EF%BF%BD"},
  };
  for (const auto& [header, written] : headers) {
    const auto baggage = read_baggage(header);
    ASSERT_TRUE(baggage) << header << ": " << baggage.error().message;
    EXPECT_EQ(*baggage, written);
  }
}

TEST(Baggage, MistakesAreNamed) {
  const std::pair<std::string_view, std::string_view> headers[] = {
      {"k", "invalid baggage list-member: \"k\""},
      {"=v", "invalid key: \"\""},
      {"a b=v", "invalid key: \"a b\""},
      {"k=a b", "invalid value: \"a b\""},
      {"k=\"v\"", R"(invalid value: "\"v\"")"},
      {"k=%zz", "invalid value: invalid URL escape \"%zz\""},
      {"k=v;a b", "invalid baggage list-member property: \"a b\""},
      {"k=v,,x", "invalid baggage list-member: \"\"\ninvalid baggage list-member: \"x\""},
  };
  for (const auto& [header, why] : headers) {
    const auto baggage = read_baggage(header);
    ASSERT_FALSE(baggage) << header;
    EXPECT_EQ(baggage.error().message, why);
  }
  std::string many;
  for (int i = 0; i < 65; ++i) many += (i == 0 ? "k" : ",k") + std::to_string(i) + "=v";
  EXPECT_EQ(read_baggage(many).error().message, "too many list-members in baggage-string");
  EXPECT_EQ(read_baggage("k=" + std::string(8192, 'v')).error().message, "baggage-string too large");
}

}  // namespace
}  // namespace tandem::telemetry
