#include "components/pubsub/in_memory/in_memory_broker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/testing/test_loop.h"

namespace tandem::components {
namespace {

using pubsub::Broker;
using pubsub::Message;
using pubsub::Verdict;
using testing::ElementsAre;
using testing::IsEmpty;

class InMemoryBrokerTest : public testing::Test {
 protected:
  void make(InMemoryBroker::Options options = {}) {
    broker_ = std::make_unique<InMemoryBroker>(std::vector<TimedExecutor*>{&loop_}, options);
  }

  using Slot = std::shared_ptr<std::optional<Result<void>>>;
  Slot publish(const std::string& topic, const std::string& data) {
    auto slot = std::make_shared<std::optional<Result<void>>>();
    broker_->publish(context_, {.topic = topic, .data = share(data)}, [slot](Result<void> r) { *slot = std::move(r); });
    return slot;
  }

  // Takes everything and notes it under `who`.
  std::unique_ptr<Broker::Subscription> listen(const std::string& topic, const std::string& group,
                                               const std::string& who) {
    return subscribe(topic, group, [this, who](Message message, Completion<Verdict> done) {
      got_[who].push_back(*message.data);
      done(Verdict::kSuccess);
    });
  }
  std::unique_ptr<Broker::Subscription> subscribe(const std::string& topic, const std::string& group,
                                                  pubsub::MessageHandler handler) {
    auto subscription = broker_->subscribe(topic, group, {}, std::move(handler));
    EXPECT_TRUE(subscription.has_value());
    return std::move(*subscription);
  }

  TestLoop loop_;
  CallContext context_;
  std::map<std::string, std::vector<std::string>> got_;
  std::unique_ptr<InMemoryBroker> broker_ =
      std::make_unique<InMemoryBroker>(std::vector<TimedExecutor*>{&loop_}, InMemoryBroker::Options());
};

TEST_F(InMemoryBrokerTest, EveryGroupGetsEveryMessageInOrder) {
  const auto a = listen("t", "a", "a");
  const auto b = listen("t", "b", "b");
  const auto other = listen("other", "a", "other");
  for (const char* data : {"1", "2", "3"}) EXPECT_TRUE(**publish("t", data));
  EXPECT_THAT(got_, IsEmpty());  // never inside publish
  loop_.run_ready();
  EXPECT_THAT(got_["a"], ElementsAre("1", "2", "3"));
  EXPECT_THAT(got_["b"], ElementsAre("1", "2", "3"));
  EXPECT_THAT(got_["other"], IsEmpty());
}

TEST_F(InMemoryBrokerTest, AQueueIsTakenSomeAtATimeAndGoesRound) {
  TestLoop other;
  broker_ = std::make_unique<InMemoryBroker>(std::vector<TimedExecutor*>{&loop_, &other}, InMemoryBroker::Options());
  const auto all = listen("t", "g", "all");
  std::vector<std::string> sent;
  for (int i = 0; i < 100; ++i) {
    sent.push_back(std::to_string(i));
    publish("t", sent.back());
  }
  // Several in a turn, not all; then it is the other one's.
  loop_.run_ready();
  const std::size_t first = got_["all"].size();
  EXPECT_GT(first, 1u);
  EXPECT_LT(first, 50u);
  other.run_ready();
  EXPECT_GT(got_["all"].size(), first);
  for (int i = 0; i < 100; ++i) {
    loop_.run_ready();
    other.run_ready();
  }
  EXPECT_EQ(got_["all"], sent);
}

TEST_F(InMemoryBrokerTest, AnAnswerThatComesLaterLetsTheNextOneGo) {
  std::vector<Completion<Verdict>> open;
  const auto slow = subscribe("t", "g", [&](Message message, Completion<Verdict> done) {
    got_["g"].push_back(*message.data);
    open.push_back(std::move(done));
  });
  for (const char* data : {"1", "2"}) publish("t", data);
  loop_.run_ready();
  EXPECT_THAT(got_["g"], ElementsAre("1"));
  open[0](Verdict::kSuccess);
  loop_.run_ready();
  EXPECT_THAT(got_["g"], ElementsAre("1", "2"));
  open[1](Verdict::kSuccess);
}

TEST_F(InMemoryBrokerTest, TheMembersOfAGroupShare) {
  const auto one = listen("t", "g", "one");
  const auto two = listen("t", "g", "two");
  for (int i = 0; i < 10; ++i) publish("t", std::to_string(i));
  loop_.run_ready();
  EXPECT_EQ(got_["one"].size(), 5u);
  EXPECT_EQ(got_["two"].size(), 5u);
}

TEST_F(InMemoryBrokerTest, AStarTakesTopicsThatBeginSo) {
  std::vector<std::string> topics;
  const auto all = subscribe("orders/*", "g", [&](Message message, Completion<Verdict> done) {
    topics.push_back(*message.data);
    EXPECT_EQ(message.topic, "orders/*");
    done(Verdict::kSuccess);
  });
  for (const char* topic : {"orders/new", "orders/", "orders", "order", "orders/a/b", "orders/*"})
    publish(topic, topic);
  loop_.run_ready();
  EXPECT_THAT(topics, ElementsAre("orders/new", "orders/a/b", "orders/*"));
}

TEST_F(InMemoryBrokerTest, ARefusedMessageComesAgainLaterAndLaterAndIsGivenUp) {
  make(
      {.first_retry = std::chrono::milliseconds(100), .longest_retry = std::chrono::milliseconds(300), .max_tries = 4});
  std::vector<long> at;
  const auto picky = subscribe("t", "g", [&](Message message, Completion<Verdict> done) {
    if (*message.data == "bad") {
      at.push_back(loop_.now().count());
      return done(Verdict::kRetry);
    }
    got_["g"].push_back(*message.data);
    done(Verdict::kSuccess);
  });
  publish("t", "bad");
  publish("t", "good");
  loop_.run_ready();
  EXPECT_THAT(got_["g"], ElementsAre("good"));  // past the bad one
  loop_.advance(std::chrono::seconds(10));
  EXPECT_THAT(at, ElementsAre(0, 100, 300, 600));
}

TEST_F(InMemoryBrokerTest, AFailureOfTheHandlerIsARetryAndDropIsNot) {
  int failures = 0;
  int drops = 0;
  const auto failing = subscribe("fail", "g", [&](Message, Completion<Verdict> done) {
    if (++failures == 2) return done(Verdict::kSuccess);
    done(fail(Code::kUnavailable, "app is down"));
  });
  const auto dropping = subscribe("drop", "g", [&](Message, Completion<Verdict> done) {
    ++drops;
    done(Verdict::kDrop);
  });
  publish("fail", "x");
  publish("drop", "x");
  loop_.advance(std::chrono::minutes(10));
  EXPECT_EQ(failures, 2);
  EXPECT_EQ(drops, 1);
}

TEST_F(InMemoryBrokerTest, OneDeliveryAtATimeOrAsManyAsAllowed) {
  for (const std::size_t allowed : {1U, 3U}) {
    make({.max_concurrent_handlers = allowed});
    std::vector<Completion<Verdict>> under_way;
    const auto slow =
        subscribe("t", "g", [&](Message, Completion<Verdict> done) { under_way.push_back(std::move(done)); });
    for (int i = 0; i < 5; ++i) publish("t", "x");
    loop_.run_ready();
    EXPECT_EQ(under_way.size(), allowed);
    under_way[0](Verdict::kSuccess);
    loop_.run_ready();
    EXPECT_EQ(under_way.size(), allowed + 1);
    for (std::size_t i = 1; i < under_way.size(); ++i) under_way[i](Verdict::kSuccess);
  }
}

TEST_F(InMemoryBrokerTest, AFullQueueHoldsPublishersBack) {
  make({.max_messages = 2, .max_waiting_publishers = 2, .max_wait = std::chrono::milliseconds(500)});
  std::vector<Completion<Verdict>> under_way;
  const auto slow = subscribe("t", "g", [&](Message message, Completion<Verdict> done) {
    got_["g"].push_back(*message.data);
    under_way.push_back(std::move(done));
  });
  EXPECT_TRUE(publish("t", "1")->has_value());
  EXPECT_TRUE(publish("t", "2")->has_value());
  const Slot third = publish("t", "3");
  const Slot fourth = publish("t", "4");
  EXPECT_FALSE(third->has_value());
  EXPECT_EQ((**publish("t", "5")).error().code, Code::kResourceExhausted);
  EXPECT_TRUE(publish("unrelated", "x")->has_value());

  loop_.run_ready();
  under_way[0](Verdict::kSuccess);
  ASSERT_TRUE(third->has_value());
  EXPECT_TRUE(third->value());
  EXPECT_FALSE(fourth->has_value());
  loop_.advance(std::chrono::milliseconds(500));
  ASSERT_TRUE(fourth->has_value());
  EXPECT_EQ((**fourth).error().code, Code::kDeadlineExceeded);
  under_way[1](Verdict::kSuccess);
  loop_.run_ready();
  under_way[2](Verdict::kSuccess);
  loop_.run_ready();
  EXPECT_THAT(got_["g"], ElementsAre("1", "2", "3"));
}

TEST_F(InMemoryBrokerTest, TheBytesOfAQueueAreLimitedToo) {
  make({.max_bytes = 100, .max_wait = std::chrono::milliseconds(10)});
  const auto slow = subscribe("t", "g", [](Message, Completion<Verdict>) {});
  EXPECT_TRUE(publish("t", std::string(1000, 'x'))->has_value());  // alone it may be larger
  EXPECT_FALSE(publish("t", "x")->has_value());
}

TEST_F(InMemoryBrokerTest, AWaitingPublisherGoesOnWhenTheSubscriberLeaves) {
  make({.max_messages = 1});
  auto slow = subscribe("t", "g", [](Message, Completion<Verdict>) {});
  publish("t", "1");
  const Slot waiting = publish("t", "2");
  EXPECT_FALSE(waiting->has_value());
  slow.reset();
  ASSERT_TRUE(waiting->has_value());
  EXPECT_TRUE(waiting->value());
}

TEST_F(InMemoryBrokerTest, NothingIsDeliveredAfterTheSubscriptionHasEnded) {
  auto leaving = listen("t", "g", "leaving");
  const auto staying = listen("t", "g", "staying");
  for (int i = 0; i < 4; ++i) publish("t", std::to_string(i));
  leaving.reset();
  loop_.run_ready();
  EXPECT_THAT(got_["leaving"], IsEmpty());
  EXPECT_EQ(got_["staying"].size(), 4u);
}

TEST_F(InMemoryBrokerTest, AnAnswerMayComeAfterTheBrokerHasGone) {
  Completion<Verdict> late;
  auto slow = subscribe("t", "g", [&](Message, Completion<Verdict> done) { late = std::move(done); });
  publish("t", "1");
  loop_.run_ready();
  slow.reset();
  broker_.reset();
  late(Verdict::kRetry);
  loop_.advance(std::chrono::minutes(1));
}

TEST_F(InMemoryBrokerTest, CloseWaitsForWhatIsUnderWayAndRefusesTheRest) {
  make({.max_messages = 1});
  Completion<Verdict> answer;
  const auto slow = subscribe("t", "g", [&](Message, Completion<Verdict> done) { answer = std::move(done); });
  publish("t", "1");
  const Slot waiting = publish("t", "2");
  loop_.run_ready();
  std::thread app([&] { answer(Verdict::kSuccess); });
  broker_->close(std::chrono::steady_clock::now() + std::chrono::seconds(10));
  app.join();
  EXPECT_TRUE(waiting->has_value());
  EXPECT_EQ((**publish("t", "3")).error().message, "component is closed");
  EXPECT_FALSE(broker_->subscribe("t", "g", {}, [](Message, Completion<Verdict>) {}).has_value());
}

TEST_F(InMemoryBrokerTest, PublishersFromManyThreadsLoseNothing) {
  make({.max_concurrent_handlers = 4, .max_messages = 50});
  std::map<std::string, int> seen;
  const auto all = subscribe("t", "g", [&](Message message, Completion<Verdict> done) {
    ++seen[*message.data];
    done(Verdict::kSuccess);
  });
  constexpr int kThreads = 4;
  constexpr int kMessages = 500;
  std::atomic<int> accepted = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kMessages; ++i) {
        broker_->publish(context_, {.topic = "t", .data = share(std::to_string(t) + "-" + std::to_string(i))},
                         [&](Result<void> result) { accepted += result.has_value(); });
      }
    });
  }
  EXPECT_TRUE(loop_.run_until([&] { return seen.size() == kThreads * kMessages; }));
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(accepted, kThreads * kMessages);
}

}  // namespace
}  // namespace tandem::components
