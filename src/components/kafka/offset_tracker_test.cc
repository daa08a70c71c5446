#include "components/kafka/offset_tracker.h"

#include <gtest/gtest.h>

namespace tandem::components::kafka {
namespace {

TEST(OffsetTrackerTest, NothingToCommitBeforeAnythingIsTaken) {
  OffsetTracker tracker;
  tracker.begin(7);
  EXPECT_EQ(tracker.to_commit(), std::nullopt);
  tracker.taken(7);
  EXPECT_EQ(tracker.to_commit(), 8);
  tracker.committed(8);
  EXPECT_EQ(tracker.to_commit(), std::nullopt);
}

TEST(OffsetTrackerTest, OnlyWhatIsContiguous) {
  OffsetTracker tracker;
  for (const std::int64_t offset : {1, 2, 5, 6}) tracker.begin(offset);
  tracker.taken(2);
  tracker.taken(6);
  EXPECT_EQ(tracker.to_commit(), std::nullopt);
  tracker.taken(1);
  EXPECT_EQ(tracker.to_commit(), 3);
  tracker.taken(5);
  EXPECT_EQ(tracker.to_commit(), 7);
  EXPECT_EQ(tracker.in_hand(), 0u);
}

TEST(OffsetTrackerTest, WhatIsPassedOverCountsOnceALaterOneIsTaken) {
  OffsetTracker tracker;
  for (const std::int64_t offset : {1, 2, 3}) tracker.begin(offset);
  tracker.taken(1);
  tracker.passed_over(2);
  EXPECT_EQ(tracker.to_commit(), 2);
  tracker.taken(3);
  EXPECT_EQ(tracker.to_commit(), 4);
}

TEST(OffsetTrackerTest, AnOldCommitTakesNothingBack) {
  OffsetTracker tracker;
  tracker.begin(1);
  tracker.begin(2);
  tracker.taken(1);
  tracker.taken(2);
  tracker.committed(3);
  tracker.committed(2);
  EXPECT_EQ(tracker.to_commit(), std::nullopt);
}

}  // namespace
}  // namespace tandem::components::kafka
