#include "app/lane_choice.h"

#include <gtest/gtest.h>

namespace tandem::app {
namespace {

using std::chrono::microseconds;

TEST(LaneChoiceTest, SpreadsWhatNothingIsKnownOf) {
  LaneChoice choice(3);
  EXPECT_FALSE(choice.stays());
  EXPECT_EQ(choice.next(), 0u);
  EXPECT_EQ(choice.next(), 1u);
  EXPECT_EQ(choice.next(), 2u);
  EXPECT_EQ(choice.next(), 0u);
}

TEST(LaneChoiceTest, StaysWhileEventsCostLittle) {
  LaneChoice choice(3);
  for (int i = 0; i < 100; ++i) choice.took(microseconds(10));
  EXPECT_TRUE(choice.stays());
  // One slow event among many is no reason to go.
  choice.took(microseconds(300));
  EXPECT_TRUE(choice.stays());
}

TEST(LaneChoiceTest, SpreadsWhatHasBecomeSlowOrWaits) {
  LaneChoice choice(3);
  for (int i = 0; i < 100; ++i) choice.took(microseconds(10));
  choice.took(LaneChoice::kUnfinished);
  EXPECT_FALSE(choice.stays());
}

}  // namespace
}  // namespace tandem::app
