#include "base/uuid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace tandem {
namespace {

TEST(UuidTest, HasTheFormOfVersionFour) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(random_uuid(),
                testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  }
}

TEST(UuidTest, DoesNotRepeat) {
  std::set<std::string> seen;
  for (int i = 0; i < 10000; ++i) seen.insert(random_uuid());
  EXPECT_EQ(seen.size(), 10000u);
}

}  // namespace
}  // namespace tandem
