#include "app/lane_choice.h"

#include <gtest/gtest.h>

namespace tandem::app {
namespace {

using std::chrono::microseconds;

TEST(LaneChoiceTest, SpreadsWhatNothingIsKnownOf) {
  LaneChoice choice(3);
  EXPECT_EQ(choice.choose(2), 0u);
  EXPECT_EQ(choice.choose(2), 1u);
  EXPECT_EQ(choice.choose(std::nullopt), 2u);
  EXPECT_EQ(choice.choose(2), 0u);
}

TEST(LaneChoiceTest, StaysWhileEventsCostLittle) {
  LaneChoice choice(3);
  for (int i = 0; i < 100; ++i) choice.took(microseconds(10));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(choice.choose(2), 2u);
  // Who has no lane gets them in turn.
  EXPECT_EQ(choice.choose(std::nullopt), 0u);
  EXPECT_EQ(choice.choose(std::nullopt), 1u);
  // One slow event among many is no reason to go.
  choice.took(microseconds(300));
  EXPECT_EQ(choice.choose(2), 2u);
}

TEST(LaneChoiceTest, SpreadsWhatHasBecomeSlowOrWaits) {
  LaneChoice choice(3);
  for (int i = 0; i < 100; ++i) choice.took(microseconds(10));
  for (int i = 0; i < 3; ++i) choice.took(LaneChoice::kUnfinished);
  EXPECT_EQ(choice.choose(2), 0u);
  EXPECT_EQ(choice.choose(2), 1u);
}

}  // namespace
}  // namespace tandem::app
