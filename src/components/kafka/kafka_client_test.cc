#include "components/kafka/kafka_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "components/kafka/testing/mock_cluster.h"

namespace tandem::components::kafka {
namespace {

using pubsub::Message;
using pubsub::Verdict;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> numbers(int from, int to) {
  std::vector<std::string> all;
  for (int i = from; i < to; ++i) all.push_back(std::to_string(i));
  return all;
}

template <class Condition>
testing::AssertionResult becomes_true(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return testing::AssertionFailure() << "not in time";
    std::this_thread::yield();
  }
  return testing::AssertionSuccess();
}

class KafkaClientTest : public testing::Test {
 protected:
  std::unique_ptr<KafkaProcess> start(KafkaOptions options = {}) {
    return std::make_unique<KafkaProcess>(cluster_.brokers(), std::move(options));
  }
  static void publish_all(KafkaProcess& process, const std::string& topic, const std::vector<std::string>& all,
                          const Metadata& metadata = {}) {
    for (const std::string& data : all) {
      const Status status = process.publish(topic, data, metadata);
      ASSERT_TRUE(status.has_value()) << status.error().message;
    }
  }

  MockCluster cluster_;
};

TEST_F(KafkaClientTest, AMessageArrivesWithItsKeyItsHeadersAndItsPlace) {
  cluster_.make_topic("t", 4);
  const auto process = start();
  Inbox inbox;
  ASSERT_TRUE(process->publish("t", "one", {{"partitionKey", "k"}, {"colour", "red"}}));
  ASSERT_TRUE(process->publish("t", "two", {{"partitionNumber", "3"}}));
  process->listen("t", "app", inbox);
  const std::vector<Message> all = inbox.wait_for(2);
  const Message& one = *all[0].data == "one" ? all[0] : all[1];
  const Message& two = *all[0].data == "one" ? all[1] : all[0];
  EXPECT_EQ(one.topic, "t");
  EXPECT_EQ(one.metadata.at("__key"), "k");
  EXPECT_EQ(one.metadata.at("partitionKey"), "k");
  EXPECT_EQ(one.metadata.at("colour"), "red");
  EXPECT_EQ(one.metadata.at("__topic"), "t");
  EXPECT_EQ(one.metadata.at("__offset"), "0");
  EXPECT_TRUE(one.metadata.contains("__timestamp"));
  EXPECT_EQ(two.metadata.at("__partition"), "3");
  EXPECT_FALSE(two.metadata.contains("__key"));
}

TEST_F(KafkaClientTest, AWrongPartitionIsRefused) {
  cluster_.make_topic("t", 2);
  const auto process = start();
  EXPECT_EQ(process->publish("t", "x", {{"partitionNumber", "two"}}).error().message,
            "invalid partitionNumber metadata value \"two\"");
  EXPECT_EQ(process->publish("t", "x", {{"partitionNumber", "-1"}}).error().message,
            "partitionNumber must be non-negative, got -1");
  EXPECT_EQ(process->publish("t", "x", {{"partitionNumber", "2"}}).error().code, Code::kInvalidArgument);
  EXPECT_EQ(process->publish("t", "x", {{"valueSchemaType", "Avro"}}).error().code, Code::kUnimplemented);
}

TEST_F(KafkaClientTest, MessagesOfAPartitionComeInOrderAndOneByOne) {
  cluster_.make_topic("t", 1);
  const auto process = start();
  std::atomic<int> at_once = 0;
  std::atomic<int> most = 0;
  Inbox inbox;
  process->subscribe("t", "app", [&](Message message, Completion<Verdict> done) {
    most = std::max(most.load(), ++at_once);
    inbox.add(std::move(message));
    --at_once;
    done(Verdict::kSuccess);
  });
  publish_all(*process, "t", numbers(0, 300));
  EXPECT_EQ(inbox.wait_for_data(300), numbers(0, 300));
  EXPECT_EQ(most.load(), 1);
}

TEST_F(KafkaClientTest, ARefusedMessageIsTriedAgainInItsPlace) {
  cluster_.make_topic("t", 1);
  const auto process = start();
  Inbox inbox;
  std::atomic<int> tries = 0;
  process->subscribe("t", "app", [&](Message message, Completion<Verdict> done) {
    const bool refuse = *message.data == "1" && ++tries < 4;
    inbox.add(std::move(message));
    done(refuse ? Verdict::kRetry : Verdict::kSuccess);
  });
  publish_all(*process, "t", numbers(0, 3));
  EXPECT_THAT(inbox.wait_for_data(6), ElementsAre("0", "1", "1", "1", "1", "2"));
}

TEST_F(KafkaClientTest, ADroppedMessageDoesNotComeAgain) {
  cluster_.make_topic("t", 1);
  const auto process = start();
  Inbox inbox;
  process->subscribe("t", "app", [&](Message message, Completion<Verdict> done) {
    inbox.add(std::move(message));
    done(Verdict::kDrop);
  });
  publish_all(*process, "t", numbers(0, 3));
  EXPECT_EQ(inbox.wait_for_data(3), numbers(0, 3));
}

TEST_F(KafkaClientTest, WithoutRetriesARefusedMessageIsPassedOver) {
  cluster_.make_topic("t", 1);
  KafkaOptions options;
  options.retry.enabled = false;
  const auto process = start(options);
  Inbox inbox;
  process->subscribe("t", "app", [&](Message message, Completion<Verdict> done) {
    const bool refuse = *message.data == "0";
    inbox.add(std::move(message));
    if (refuse) return done(fail(Code::kInternal, "no"));
    done(Verdict::kSuccess);
  });
  publish_all(*process, "t", numbers(0, 2));
  EXPECT_EQ(inbox.wait_for_data(2), numbers(0, 2));
  EXPECT_THAT(process->problems(), ElementsAre(HasSubstr("t: the message at offset 0 of partition 0 is given up")));
}

TEST_F(KafkaClientTest, TheNextOneGoesOnWhereTheLastOneHasStopped) {
  cluster_.make_topic("t", 2);
  auto first = start();
  Inbox early;
  first->listen("t", "app", early);
  publish_all(*first, "t", numbers(0, 50));
  early.wait_for(50);
  first->close();
  const auto second = start();
  Inbox late;
  publish_all(*second, "t", numbers(50, 60));
  second->listen("t", "app", late);
  EXPECT_EQ(late.wait_for_different(10).size(), 10u);
  EXPECT_EQ(late.size(), 10u);
}

TEST_F(KafkaClientTest, NothingIsCommittedBehindWhatIsUnderWay) {
  cluster_.make_topic("t", 1);
  auto first = start();
  std::mutex mutex;
  std::optional<Completion<Verdict>> held;
  Inbox early;
  first->subscribe(
      "t", "app",
      [&](Message message, Completion<Verdict> done) {
        const bool keep = *message.data == "1";
        early.add(std::move(message));
        if (!keep) return done(Verdict::kSuccess);
        const std::lock_guard lock(mutex);
        held = std::move(done);
      },
      10);
  publish_all(*first, "t", numbers(0, 5));
  // All but one are taken; a window of ten lets those behind it end.
  early.wait_for(5);
  first->close(milliseconds(2'000));
  const auto second = start();
  Inbox late;
  second->listen("t", "app", late);
  EXPECT_THAT(late.wait_for_data(4), ElementsAre("1", "2", "3", "4"));
}

TEST_F(KafkaClientTest, AfterACrashWhatWasNotTakenComesAgain) {
  cluster_.make_topic("t", 1);
  auto first = start();
  std::vector<Completion<Verdict>> held;
  Inbox early;
  first->subscribe("t", "app", [&](Message message, Completion<Verdict> done) {
    early.add(std::move(message));
    held.push_back(std::move(done));
  });
  publish_all(*first, "t", numbers(0, 3));
  early.wait_for(1);
  first->crash();
  const auto second = start();
  Inbox late;
  second->listen("t", "app", late);
  EXPECT_EQ(late.wait_for_data(3), numbers(0, 3));
}

TEST_F(KafkaClientTest, TwoMembersShareAndHandOver) {
  cluster_.make_topic("t", 4);
  const auto first = start();
  Inbox one;
  Inbox two;
  first->listen("t", "app", one);
  publish_all(*first, "t", numbers(0, 40));
  one.wait_for(40);
  auto second = start();
  second->listen("t", "app", two);
  int next = 40;
  ASSERT_TRUE(becomes_true([&] {
    const std::string data = std::to_string(next++);
    EXPECT_TRUE(first->publish("t", data));
    return two.size() > 0;
  }));
  // The second one goes in order: the first one gets the rest.
  second->close();
  publish_all(*first, "t", numbers(next, next + 20));
  std::set<std::string> wanted;
  for (const std::string& data : numbers(0, next + 20)) wanted.insert(data);
  const auto all = [&] {
    std::set<std::string> both;
    for (Inbox* inbox : {&one, &two}) both.merge(inbox->wait_for_different(0));
    return both;
  };
  ASSERT_TRUE(becomes_true([&] { return all().size() >= wanted.size(); }));
  EXPECT_EQ(all(), wanted);
}

TEST_F(KafkaClientTest, ASlowPartitionHoldsUpNoOther) {
  cluster_.make_topic("t", 2);
  const auto process = start();
  std::mutex mutex;
  std::vector<Completion<Verdict>> held;
  Inbox inbox;
  process->subscribe("t", "app", [&](Message message, Completion<Verdict> done) {
    const bool slow = message.metadata.at("__partition") == "0";
    inbox.add(std::move(message));
    if (!slow) return done(Verdict::kSuccess);
    const std::lock_guard lock(mutex);
    held.push_back(std::move(done));
  });
  publish_all(*process, "t", numbers(0, 20), {{"partitionNumber", "0"}});
  publish_all(*process, "t", numbers(20, 120), {{"partitionNumber", "1"}});
  inbox.wait_for(101);
  const auto release = [&] {
    std::vector<Completion<Verdict>> now;
    {
      const std::lock_guard lock(mutex);
      now.swap(held);
    }
    for (auto& done : now) done(Verdict::kSuccess);
  };
  ASSERT_TRUE(becomes_true([&] {
    release();
    return inbox.size() >= 120;
  }));
}

TEST_F(KafkaClientTest, AppsHaveGroupsOfTheirOwn) {
  const auto process = start();
  Inbox one;
  Inbox two;
  process->listen("t", "one", one);
  process->listen("t", "two", two);
  process->listen("u", "one", one);
  publish_all(*process, "t", numbers(0, 5));
  publish_all(*process, "u", numbers(5, 8));
  EXPECT_EQ(one.wait_for_different(8).size(), 8u);
  EXPECT_EQ(two.wait_for_different(5).size(), 5u);
}

TEST_F(KafkaClientTest, NothingComesAfterTheEndOfASubscription) {
  const auto process = start();
  Inbox before;
  Inbox other;
  process->listen("t", "app", before);
  publish_all(*process, "t", {"1"});
  before.wait_for(1);
  process->unsubscribe();
  publish_all(*process, "t", {"2"});
  process->listen("u", "app", other);
  publish_all(*process, "u", {"3"});
  EXPECT_THAT(other.wait_for_data(1), ElementsAre("3"));
  EXPECT_EQ(before.size(), 1u);
}

TEST_F(KafkaClientTest, ABrokerThatIsAwayIsWaitedForUntilTheDeadline) {
  const auto process = start();
  ASSERT_TRUE(process->publish("t", "before"));
  cluster_.go_down();
  const Status late = process->publish("t", "late", {}, milliseconds(200));
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code, Code::kDeadlineExceeded);
  cluster_.come_up();
  EXPECT_TRUE(process->publish("t", "after"));
}

TEST_F(KafkaClientTest, WhatIsNotArrivedAtTheEndFails) {
  const auto process = start();
  ASSERT_TRUE(process->publish("t", "before"));
  cluster_.go_down();
  std::promise<Status> promise;
  process->client().publish({}, "t", share("x"), {},
                            [&](Result<void> result) { promise.set_value(std::move(result)); });
  process->close(milliseconds(50));
  const Status status = promise.get_future().get();
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::kCancelled);
}

TEST_F(KafkaClientTest, ACommitThatFailsIsMadeAgain) {
  cluster_.make_topic("t", 1);
  auto first = start();
  constexpr std::int16_t kOffsetCommit = 8;
  cluster_.answer_with(kOffsetCommit, {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED});
  Inbox early;
  first->listen("t", "app", early);
  publish_all(*first, "t", numbers(0, 3));
  early.wait_for(3);
  ASSERT_TRUE(becomes_true([&] { return !first->problems().empty(); }));
  EXPECT_THAT(first->problems()[0], HasSubstr("what was taken cannot be committed"));
  first->close();
  const auto second = start();
  Inbox late;
  second->listen("t", "app", late);
  publish_all(*second, "t", {"3"});
  EXPECT_THAT(late.wait_for_data(1), ElementsAre("3"));
}

TEST(KafkaClientOpenTest, WithoutABrokerItFailsInTime) {
  net::Workers workers(1);
  KafkaOptions options;
  options.brokers = "127.0.0.1:1";
  const auto client =
      KafkaClient::open(options, workers[0], nullptr, std::chrono::steady_clock::now() + milliseconds(700));
  ASSERT_FALSE(client.has_value());
  EXPECT_EQ(client.error().code, Code::kUnavailable);
  EXPECT_THAT(client.error().message, HasSubstr("no broker has answered"));
}

TEST_F(KafkaClientTest, ANameThatNoTopicHasIsRefused) {
  const auto process = start();
  for (const char* name : {"", "^all", "a b", ".", "ü"}) {
    const auto subscription = process->client().subscribe("app", {name}, {});
    ASSERT_FALSE(subscription.has_value()) << name;
    EXPECT_EQ(subscription.error().code, Code::kInvalidArgument);
  }
  EXPECT_THAT(process->problems(), IsEmpty());
}

}  // namespace
}  // namespace tandem::components::kafka
