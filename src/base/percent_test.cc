#include "base/percent.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

TEST(PercentTest, DecodesWhatIsEncoded) {
  EXPECT_EQ(percent_decode("a%20b%2Fc%2f").value(), "a b/c/");
  EXPECT_EQ(percent_decode("%C3%A4").value(), "\xC3\xA4");
  EXPECT_EQ(percent_decode("%00").value(), std::string(1, '\0'));
  EXPECT_EQ(percent_decode("%2541").value(), "%41");
  EXPECT_EQ(percent_decode("").value(), "");
}

TEST(PercentTest, APlusIsASpaceOnlyInAQuery) {
  EXPECT_EQ(percent_decode("a+b%2B").value(), "a+b+");
  EXPECT_EQ(percent_decode("a+b%2B", Plus::kSpace).value(), "a b+");
  EXPECT_EQ(percent_decode_leniently("a+b%2B"), "a+b+");
  EXPECT_EQ(percent_decode_leniently("a+b%2B", Plus::kSpace), "a b+");
}

TEST(PercentTest, RefusesAPercentSignThatBeginsNothing) {
  for (const auto& [text, escape] : {std::pair("a%", "%"), {"a%4", "%4"}, {"%zz1", "%zz"}, {"%4g", "%4g"}}) {
    const Result<std::string> decoded = percent_decode(text);
    ASSERT_FALSE(decoded) << text;
    EXPECT_EQ(decoded.error().code, Code::kInvalidArgument);
    EXPECT_EQ(decoded.error().message, "invalid URL escape \"" + std::string(escape) + "\"");
  }
}

TEST(PercentTest, OrLeavesItWhatItIs) {
  EXPECT_EQ(percent_decode_leniently("a%"), "a%");
  EXPECT_EQ(percent_decode_leniently("100%, %4 %zz %41"), "100%, %4 %zz A");
  EXPECT_EQ(percent_decode_leniently("%%41"), "%A");
}

}  // namespace
}  // namespace tandem
