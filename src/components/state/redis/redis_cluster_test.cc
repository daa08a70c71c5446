// state.redis on a cluster: two of Debian's servers with half of the slots each.
#include "components/redis/redis_cluster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "components/redis/testing/cluster_node.h"
#include "components/state/redis/testing/redis_fixture.h"

namespace tandem::components {
namespace {

using testing::HasSubstr;

TEST(RedisClusterTest, SlotsOfKeys) {
  EXPECT_EQ(redis_slot("123456789"), 0x31C3);
  EXPECT_EQ(redis_slot("foo"), 12'182);
  EXPECT_EQ(redis_slot("{user1000}.following"), redis_slot("user1000"));
  EXPECT_EQ(redis_slot("a{b}{c}"), redis_slot("b"));
  EXPECT_NE(redis_slot("a{}b"), redis_slot(""));
  EXPECT_EQ(redis_slot("{a"), redis_slot("{a"));
}

class RedisClusterStoreTest : public testing::Test, protected RedisFixture {
 protected:
  void SetUp() override {
    const Status opened = open(cluster_of(a_, b_));
    ASSERT_TRUE(opened) << opened.error().message;
  }

  ClusterNode a_;
  ClusterNode b_;
};

TEST_F(RedisClusterStoreTest, CommandsGoToTheNodeThatHasTheSlot) {
  for (int i = 0; i < 40; ++i) {
    const Status written = set("key" + std::to_string(i), std::to_string(i));
    ASSERT_TRUE(written) << written.error().message;
  }
  for (int i = 0; i < 40; ++i) EXPECT_EQ(value("key" + std::to_string(i)), std::to_string(i));
  EXPECT_GT(a_.client.number({"DBSIZE"}), 0);
  EXPECT_GT(b_.client.number({"DBSIZE"}), 0);
  EXPECT_EQ(a_.client.number({"DBSIZE"}) + b_.client.number({"DBSIZE"}), 40);
  using state::SetRequest;
  EXPECT_TRUE(
      transact({SetRequest{.key = "{x}1", .value = share("1")}, SetRequest{.key = "{x}2", .value = share("2")}}));
  EXPECT_EQ(value("{x}2"), "2");
  const Status apart =
      transact({SetRequest{.key = "foo", .value = share("1")}, SetRequest{.key = "123456789", .value = share("1")},
                SetRequest{.key = "hello", .value = share("1")}});
  EXPECT_THAT(apart.error().message, HasSubstr("CROSSSLOT"));
}

TEST_F(RedisClusterStoreTest, AKeyIsFoundWhileItsSlotMoves) {
  ASSERT_TRUE(set("foo", "1"));  // slot 12182: the second node's
  ASSERT_EQ(b_.client.number({"EXISTS", "foo"}), 1);
  ASSERT_EQ(a_.client.ask({"CLUSTER", "SETSLOT", "12182", "IMPORTING", b_.id})->text, "OK");
  ASSERT_EQ(b_.client.ask({"CLUSTER", "SETSLOT", "12182", "MIGRATING", a_.id})->text, "OK");
  EXPECT_EQ(value("foo"), "1");
  ASSERT_EQ(b_.client.ask({"MIGRATE", "127.0.0.1", a_.port(), "foo", "0", "5000"})->text, "OK");
  // Asked for: the old node names the new one.
  EXPECT_EQ(value("foo"), "1");
  EXPECT_TRUE(set("foo", "2"));
  EXPECT_EQ(value("foo"), "2");
  for (ClusterNode* node : {&a_, &b_}) {
    ASSERT_EQ(node->client.ask({"CLUSTER", "SETSLOT", "12182", "NODE", a_.id})->text, "OK");
  }
  // Moved.
  EXPECT_EQ(value("foo"), "2");
  EXPECT_TRUE(set("foo", "3"));
  EXPECT_EQ(value("foo"), "3");
}

}  // namespace
}  // namespace tandem::components
