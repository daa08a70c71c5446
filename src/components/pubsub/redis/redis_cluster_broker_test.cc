// pubsub.redis on a cluster: every topic is published to and read from the node that has its slot.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "components/pubsub/redis/testing/broker_process.h"
#include "components/redis/testing/cluster_node.h"

namespace tandem::components {
namespace {

using pubsub::Message;
using pubsub::Verdict;
using testing::ElementsAre;

TEST(RedisClusterBrokerTest, EveryTopicIsReadWhereItIs) {
  ClusterNode a;
  ClusterNode b;
  RedisStreamOptions options;
  options.redeliver_interval = std::chrono::milliseconds(30);
  options.processing_timeout = std::chrono::milliseconds(300);
  BrokerProcess process(cluster_of(a, b), options);
  // "foo" is the second node's, "bar" the first one's.
  std::map<std::string, Inbox> inboxes;
  for (const char* topic : {"foo", "bar"}) {
    Inbox& inbox = inboxes[topic];
    process.subscribe(topic, "app", [&inbox](Message message, Completion<Verdict> done) {
      // Not taken the first time: found again, claimed and acknowledged on that node, too.
      const bool first = inbox.size() == 0;
      inbox.add(*message.data);
      done(first ? Verdict::kRetry : Verdict::kSuccess);
    });
  }
  for (const char* topic : {"foo", "bar"}) {
    const Status published = process.publish(topic, topic);
    ASSERT_TRUE(published) << published.error().message;
  }
  for (auto& [topic, inbox] : inboxes) EXPECT_THAT(inbox.wait_for(2), ElementsAre(topic, topic));
  EXPECT_EQ(a.client.number({"XLEN", "bar"}), 1);
  EXPECT_EQ(b.client.number({"XLEN", "foo"}), 1);
  EXPECT_TRUE(becomes_true([&] { return b.client.ask({"XPENDING", "foo", "app"})->items.at(0).integer == 0; }));
}

}  // namespace
}  // namespace tandem::components
