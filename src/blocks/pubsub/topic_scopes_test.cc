#include "blocks/pubsub/topic_scopes.h"

#include <gtest/gtest.h>

namespace tandem::pubsub {
namespace {

TEST(TopicScopesTest, WithoutMetadataEverythingIsAllowed) {
  const TopicScopes scopes = parse_topic_scopes({{"host", "x"}});
  EXPECT_TRUE(scopes.may_publish("a", "t"));
  EXPECT_TRUE(scopes.may_subscribe("a", "t"));
}

TEST(TopicScopesTest, AllowedTopicsHoldForEverybody) {
  const TopicScopes scopes = parse_topic_scopes({{"AllowedTopics", "t1, t2"}});
  EXPECT_TRUE(scopes.may_publish("a", "t2"));
  EXPECT_FALSE(scopes.may_publish("a", "t3"));
  EXPECT_FALSE(scopes.may_subscribe("a", "t3"));
}

TEST(TopicScopesTest, AScopeNarrowsAnApp) {
  const TopicScopes scopes =
      parse_topic_scopes({{"publishingScopes", "a=t1;b=t2,t3;c="}, {"subscriptionScopes", "a=t9"}});
  EXPECT_TRUE(scopes.may_publish("a", "t1"));
  EXPECT_FALSE(scopes.may_publish("a", "t2"));
  EXPECT_TRUE(scopes.may_publish("b", "t3"));
  EXPECT_FALSE(scopes.may_publish("c", "t1"));
  EXPECT_TRUE(scopes.may_publish("other", "t1"));
  EXPECT_TRUE(scopes.may_subscribe("a", "t9"));
  EXPECT_FALSE(scopes.may_subscribe("a", "t1"));
  EXPECT_TRUE(scopes.may_subscribe("b", "t1"));
}

TEST(TopicScopesTest, ProtectedTopicsNeedAScope) {
  const TopicScopes scopes = parse_topic_scopes({{"protectedTopics", "secret"}, {"publishingScopes", "a=secret"}});
  EXPECT_TRUE(scopes.may_publish("a", "secret"));
  EXPECT_FALSE(scopes.may_publish("b", "secret"));
  EXPECT_TRUE(scopes.may_publish("b", "open"));
  EXPECT_FALSE(scopes.may_subscribe("a", "secret"));
}

}  // namespace
}  // namespace tandem::pubsub
