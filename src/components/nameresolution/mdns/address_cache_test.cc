#include "components/nameresolution/mdns/address_cache.h"

#include <gmock/gmock.h>

namespace tandem::components {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const SteadyTime kNow = std::chrono::steady_clock::now();

TEST(AddressCache, InstancesTakeTurnsUntilTheirTime) {
  AddressCache cache;
  EXPECT_EQ(cache.next("orders", kNow), std::nullopt);
  cache.put("orders", "one", "192.0.2.1:1", kNow + seconds(60));
  cache.put("orders", "two", "192.0.2.2:1", kNow + seconds(30));
  EXPECT_EQ(cache.next("orders", kNow), "192.0.2.1:1");
  EXPECT_EQ(cache.next("orders", kNow), "192.0.2.2:1");
  EXPECT_EQ(cache.next("orders", kNow), "192.0.2.1:1");
  EXPECT_EQ(cache.next("orders", kNow + seconds(31)), "192.0.2.1:1");
  EXPECT_EQ(cache.next("orders", kNow + seconds(31)), "192.0.2.1:1");
  EXPECT_EQ(cache.next("orders", kNow + seconds(61)), std::nullopt);
  EXPECT_FALSE(cache.knows("orders"));
}

TEST(AddressCache, AnInstanceThatMovedOrLeft) {
  AddressCache cache;
  cache.put("orders", "one", "192.0.2.1:1", kNow + seconds(60));
  cache.put("orders", "one", "192.0.2.1:2", kNow + seconds(60));
  EXPECT_EQ(cache.next("orders", kNow), "192.0.2.1:2");
  EXPECT_EQ(cache.next("orders", kNow), "192.0.2.1:2");
  // Another process at the same place.
  cache.put("orders", "two", "192.0.2.1:2", kNow + seconds(60));
  cache.remove_instance("orders", "two");
  EXPECT_EQ(cache.next("orders", kNow), std::nullopt);
  cache.put("orders", "one", "192.0.2.1:1", kNow + seconds(60));
  cache.remove_address("orders", "192.0.2.1:1");
  cache.remove_address("others", "192.0.2.1:1");
  EXPECT_EQ(cache.next("orders", kNow), std::nullopt);
}

TEST(AddressCache, WhatIsInUseIsNamed) {
  AddressCache cache;
  cache.put("used", "one", "192.0.2.1:1", kNow + seconds(60));
  cache.put("unused", "one", "192.0.2.1:2", kNow + seconds(60));
  cache.put("old", "one", "192.0.2.1:3", kNow + seconds(1));
  (void)cache.next("used", kNow);
  (void)cache.next("old", kNow);
  EXPECT_THAT(cache.used_since(kNow, kNow + seconds(2)), ElementsAre("used"));
  EXPECT_FALSE(cache.knows("old"));
  EXPECT_THAT(cache.used_since(kNow + seconds(1), kNow + seconds(2)), IsEmpty());
}

TEST(AddressCache, HasLimits) {
  AddressCache cache;
  for (std::size_t i = 0; i < AddressCache::kMaxInstances + 5; ++i) {
    cache.put("orders", std::to_string(i), "192.0.2.1:" + std::to_string(i), kNow + seconds(static_cast<int>(60 + i)));
  }
  EXPECT_EQ(cache.next("orders", kNow), "192.0.2.1:5") << "the oldest have gone";
  for (std::size_t i = 0; i < AddressCache::kMaxApps + 5; ++i) {
    cache.put("app" + std::to_string(i), "one", "192.0.2.1:1", kNow + seconds(60));
  }
  (void)cache.next("orders", kNow);
  std::size_t known = 0;
  for (std::size_t i = 0; i < AddressCache::kMaxApps + 5; ++i) known += cache.knows("app" + std::to_string(i)) ? 1 : 0;
  EXPECT_LE(known, AddressCache::kMaxApps);
}

}  // namespace
}  // namespace tandem::components
