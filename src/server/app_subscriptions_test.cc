#include "server/app_subscriptions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/testing/capture.h"

namespace tandem::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class TopicBroker final : public pubsub::Broker {
 public:
  explicit TopicBroker(std::map<std::string, pubsub::MessageHandler>& handlers) : handlers_(handlers) {}
  void publish(const CallContext&, pubsub::PublishRequest, Completion<void> done) override { done({}); }
  Result<std::unique_ptr<Subscription>> subscribe(std::string topic, std::string, Metadata,
                                                  pubsub::MessageHandler handler) override {
    handlers_[topic] = std::move(handler);
    struct Handle final : Subscription {};
    return std::make_unique<Handle>();
  }

 private:
  std::map<std::string, pubsub::MessageHandler>& handlers_;
};

class LastRoute final : public pubsub::EventSink {
 public:
  void deliver(pubsub::Delivery delivery, Completion<pubsub::Verdict> done) override {
    route = delivery.route;
    done(verdict);
  }
  std::string route;
  Result<pubsub::Verdict> verdict = pubsub::Verdict::kSuccess;
};

config::Subscription subscription(std::string topic, std::string route, std::string pubsub = "bus") {
  config::Subscription one;
  one.pubsub_name = std::move(pubsub);
  one.topic = std::move(topic);
  one.default_path = std::move(route);
  return one;
}

config::Subscription of_file(config::Subscription one, int line) {
  one.file = "subs.yaml";
  one.line = line;
  return one;
}

class AppSubscriptionsTest : public testing::Test {
 protected:
  AppSubscriptionsTest() {
    EXPECT_TRUE(service_.add_broker({.name = "bus", .broker = std::make_unique<TopicBroker>(handlers_)}));
    EXPECT_TRUE(service_.add_broker(
        {.name = "others", .broker = std::make_unique<TopicBroker>(handlers_), .scopes = {"other"}}));
  }

  std::vector<api::http::SubscriptionInfo> start(std::vector<config::Subscription> declared,
                                                 std::vector<config::Subscription> own = {}) {
    return start_subscriptions("shop", log_, service_, sink_, std::move(declared), std::move(own));
  }
  std::string route_of(const std::string& topic) {
    sink_.route.clear();
    handlers_.at(topic)({.topic = topic, .data = share("{}")}, [](const Result<pubsub::Verdict>&) {});
    return sink_.route;
  }

  Capture capture_;
  const Logger process_log_{Logger::Options{.fd = capture_.fd()}};
  const Logger log_ = process_log_.for_app("shop");
  std::map<std::string, pubsub::MessageHandler> handlers_;
  pubsub::PubsubService service_{&process_log_};
  LastRoute sink_;
};

TEST_F(AppSubscriptionsTest, OneThatCannotBeStartedCostsNoOther) {
  config::Subscription matching = of_file(subscription("rules", "/default"), 3);
  matching.rules = {{.match = "event.type == \"x\"", .path = "/x"}};
  config::Subscription bulk = subscription("bulk", "/bulk");
  bulk.bulk.enabled = true;
  const auto started = start({matching, subscription("good", "/good")},
                             {bulk, subscription("", "/nowhere"), subscription("own", "/own")});
  ASSERT_EQ(started.size(), 2U);
  EXPECT_EQ(started[0].topic, "good");
  EXPECT_EQ(started[0].type, "DECLARATIVE");
  EXPECT_EQ(started[1].topic, "own");
  EXPECT_EQ(started[1].type, "PROGRAMMATIC");
  EXPECT_EQ(route_of("good"), "/good");

  const std::string error = capture_.line_with("event.type");
  EXPECT_THAT(error, HasSubstr("level=error"));
  EXPECT_THAT(error, HasSubstr("app_id=shop"));
  EXPECT_THAT(error, HasSubstr("pubsub=bus"));
  EXPECT_THAT(error, HasSubstr("topic=rules"));
  EXPECT_THAT(error, HasSubstr("route=/default"));
  EXPECT_THAT(error, HasSubstr("subs.yaml:3"));
  EXPECT_THAT(capture_.line_with("bulk delivery"), HasSubstr("level=error"));
  EXPECT_THAT(capture_.line_with("topic is empty"), HasSubstr("route=/nowhere"));
}

TEST_F(AppSubscriptionsTest, APubsubOutOfScopeIsPassedOverAndAnUnknownOneIsSaid) {
  EXPECT_TRUE(start({of_file(subscription("t", "/r", "others"), 7), subscription("t", "/r", "nobody")}).empty());
  const std::string passed_over = capture_.line_with("pubsub=others");
  EXPECT_THAT(passed_over, HasSubstr("level=info"));
  EXPECT_THAT(passed_over, HasSubstr("scopes"));
  EXPECT_THAT(passed_over, HasSubstr("subs.yaml:7"));
  EXPECT_THAT(capture_.line_with("pubsub=nobody"), HasSubstr("level=warning"));
}

TEST_F(AppSubscriptionsTest, OfTwoToOneTopicTheAppsOwnCounts) {
  const auto started = start({of_file(subscription("t", "/first"), 1), of_file(subscription("t", "/second"), 9),
                              of_file(subscription("u", "/file"), 11)},
                             {subscription("u", "/own"), subscription("v", "/one"), subscription("v", "/two")});
  ASSERT_EQ(started.size(), 3U);
  EXPECT_EQ(route_of("t"), "/first");
  EXPECT_EQ(route_of("u"), "/own");
  EXPECT_EQ(started[1].type, "PROGRAMMATIC");
  EXPECT_EQ(route_of("v"), "/two");
  const std::string both = capture_.line_with("/second");
  EXPECT_THAT(both, HasSubstr("level=warning"));
  EXPECT_THAT(both, HasSubstr("used=\"/first (subs.yaml:1)\""));
  EXPECT_THAT(both, HasSubstr("not_used=\"/second (subs.yaml:9)\""));
  EXPECT_THAT(capture_.line_with("not_used=\"/file"), HasSubstr("used=\"/own (the app's own answer"));
  EXPECT_THAT(capture_.line_with("not_used=\"/one"), HasSubstr("used=\"/two"));
}

TEST_F(AppSubscriptionsTest, WhatADeliverySaysIsInTheAppsLog) {
  ASSERT_EQ(start({subscription("t", "/r")}).size(), 1U);
  sink_.verdict = fail(Code::kUnavailable, "nobody is there");
  route_of("t");
  const std::string line = capture_.line_with("nobody is there");
  EXPECT_THAT(line, HasSubstr(" app_id=shop"));
  EXPECT_THAT(line, Not(HasSubstr(" app=")));
}

TEST_F(AppSubscriptionsTest, CalledAgainItChangesWhatHasChanged) {
  start({subscription("same", "/same"), subscription("other", "/one"), subscription("gone", "/gone")});
  handlers_.clear();
  const auto now = start({subscription("new", "/new"), subscription("other", "/two"), subscription("same", "/same")});
  std::vector<std::string> topics;
  for (const auto& one : now) topics.push_back(one.topic);
  EXPECT_EQ(topics, (std::vector<std::string>{"new", "other", "same"}));
  EXPECT_EQ(handlers_.count("same"), 0U) << "it went on, and was not begun anew";
  EXPECT_EQ(route_of("other"), "/two");
  EXPECT_EQ(route_of("new"), "/new");
  EXPECT_EQ(service_.subscriptions("shop").size(), 3U);
  EXPECT_THAT(capture_.line_with("topic=gone"), HasSubstr("subscribed"));
}

}  // namespace
}  // namespace tandem::server
