#include "base/number.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace tandem {
namespace {

TEST(NumberTest, TheWholeTextIsANumber) {
  EXPECT_EQ(parse_number<int>("17"), 17);
  EXPECT_EQ(parse_number<int>("-17"), -17);
  EXPECT_EQ(parse_number<std::uint16_t>("0065535"), 65535);
  EXPECT_EQ(parse_number<double>("1.5e2"), 150.0);
}

TEST(NumberTest, OrThereIsNone) {
  for (const std::string_view text : {"", " 1", "1 ", "+1", "1x", "x", "-", "1.0", "99999999999"}) {
    EXPECT_EQ(parse_number<int>(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_number<int>(std::string_view()), std::nullopt);
  EXPECT_EQ(parse_number<unsigned>("-1"), std::nullopt);
  EXPECT_EQ(parse_number<std::uint16_t>("65536"), std::nullopt);
}

}  // namespace
}  // namespace tandem
