// pubsub.redis with Debian's redis-server: what is in the stream, who gets what, and what comes again.
#include "components/pubsub/redis/redis_broker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "components/pubsub/redis/testing/broker_process.h"
#include "components/redis/testing/fake_redis.h"
#include "components/redis/testing/other_client.h"
#include "components/redis/testing/redis_server.h"

namespace tandem::components {
namespace {

using pubsub::Broker;
using pubsub::Message;
using pubsub::Verdict;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

RedisStreamOptions eager() { return {.redeliver_interval = milliseconds(30), .processing_timeout = milliseconds(300)}; }

class RedisBrokerTest : public testing::Test {
 protected:
  std::int64_t pending(const std::string& topic, const std::string& group) {
    const Result<RedisValue> answer = other_.ask({"XPENDING", topic, group});
    return answer && !answer->items.empty() ? answer->items[0].integer : -1;
  }

  RedisServer server_{RedisServer::Options{.arguments = {"--appendonly", "yes", "--appendfsync", "always"}}};
  OtherClient other_{server_at(server_.port())};
};

TEST_F(RedisBrokerTest, AStreamHasWhatDaprsHas) {
  BrokerProcess process(server_.port(), eager());
  ASSERT_TRUE(process.publish("orders", R"({"id":"1"})", {{"ttlInSeconds", "5"}}));
  const Result<RedisValue> all = other_.ask({"XRANGE", "orders", "-", "+"});
  ASSERT_EQ(all->items.size(), 1u);
  std::vector<std::string> fields;
  for (const RedisValue& field : all->items[0].items[1].items) fields.push_back(field.text);
  EXPECT_THAT(fields, ElementsAre("data", R"({"id":"1"})", "metadata", R"({"ttlInSeconds":"5"})"));
}

TEST_F(RedisBrokerTest, MessagesOfOthersArrive) {
  BrokerProcess process(server_.port(), eager());
  std::promise<Message> got;
  process.subscribe("orders", "app", [&](Message message, Completion<Verdict> done) {
    got.set_value(std::move(message));
    done(Verdict::kSuccess);
  });
  other_.ask({"XADD", "orders", "*", "metadata", R"({"traceparent":"00-x"})", "data", "hello"});
  std::future<Message> future = got.get_future();
  ASSERT_EQ(future.wait_for(seconds(20)), std::future_status::ready);
  const Message message = future.get();
  EXPECT_EQ(message.topic, "orders");
  EXPECT_EQ(*message.data, "hello");
  EXPECT_EQ(message.metadata, (Metadata{{"traceparent", "00-x"}}));
  EXPECT_TRUE(becomes_true([&] { return pending("orders", "app") == 0; }));
}

TEST_F(RedisBrokerTest, AGroupGetsAllAndItsMembersShare) {
  BrokerProcess one(server_.port(), eager());
  BrokerProcess two(server_.port(), eager());
  Inbox shared;
  Inbox other;
  one.listen("t", "group", shared);
  two.listen("t", "group", shared);
  two.listen("t", "other", other);
  std::vector<std::string> sent;
  for (int i = 0; i < 200; ++i) {
    sent.push_back(std::to_string(i));
    ASSERT_TRUE(one.publish("t", sent.back()));
  }
  EXPECT_THAT(other.wait_for(200), testing::UnorderedElementsAreArray(sent));
  EXPECT_THAT(shared.wait_for(200), testing::UnorderedElementsAreArray(sent));
}

TEST_F(RedisBrokerTest, TheConsumerIdIsTheGroup) {
  RedisStreamOptions options = eager();
  options.consumer_id = "mine";
  BrokerProcess process(server_.port(), options);
  Inbox inbox;
  process.listen("t", "app", inbox);
  ASSERT_TRUE(process.publish("t", "1"));
  inbox.wait_for(1);
  EXPECT_TRUE(becomes_true([&] { return pending("t", "mine") == 0; }));
  EXPECT_EQ(pending("t", "app"), -1);
}

TEST_F(RedisBrokerTest, WhatIsRefusedComesAgainAndWhatIsDroppedDoesNot) {
  BrokerProcess process(server_.port(), eager());
  Inbox inbox;
  process.subscribe("t", "app", [&](Message message, Completion<Verdict> done) {
    const bool first = inbox.size() < 2;
    inbox.add(*message.data);
    if (*message.data == "dropped") return done(Verdict::kDrop);
    first ? done(Verdict::kRetry) : done(Verdict::kSuccess);
  });
  ASSERT_TRUE(process.publish("t", "dropped"));
  ASSERT_TRUE(process.publish("t", "refused"));
  EXPECT_THAT(inbox.wait_for(3), ElementsAre("dropped", "refused", "refused"));
  EXPECT_TRUE(becomes_true([&] { return pending("t", "app") == 0; }));
}

TEST_F(RedisBrokerTest, NothingIsAcknowledgedBeforeTheAppHasSaidSo) {
  RedisStreamOptions options;  // a timeout that does not pass
  BrokerProcess process(server_.port(), options);
  std::promise<Completion<Verdict>> got;
  process.subscribe("t", "app", [&](Message, Completion<Verdict> done) { got.set_value(std::move(done)); });
  ASSERT_TRUE(process.publish("t", "1"));
  Completion<Verdict> done = got.get_future().get();
  EXPECT_EQ(pending("t", "app"), 1);
  done(Verdict::kSuccess);
  EXPECT_TRUE(becomes_true([&] { return pending("t", "app") == 0; }));
}

TEST_F(RedisBrokerTest, AHandlerThatHangsIsLetGoAndItsLateSuccessCounts) {
  RedisStreamOptions options = eager();
  options.concurrency = 1;
  BrokerProcess process(server_.port(), options);
  Inbox inbox;
  std::mutex mutex;
  std::vector<Completion<Verdict>> hanging;
  process.subscribe("t", "app", [&](Message message, Completion<Verdict> done) {
    inbox.add(*message.data);
    const std::lock_guard lock(mutex);
    hanging.push_back(std::move(done));
  });
  ASSERT_TRUE(process.publish("t", "1"));
  EXPECT_THAT(inbox.wait_for(2), ElementsAre("1", "1"));
  {
    const std::lock_guard lock(mutex);
    hanging[0](Verdict::kSuccess);
  }
  EXPECT_TRUE(becomes_true([&] { return pending("t", "app") == 0; }));
  const std::lock_guard lock(mutex);
  for (std::size_t i = 1; i < hanging.size(); ++i) hanging[i](Verdict::kSuccess);
}

TEST_F(RedisBrokerTest, NoMoreAtATimeThanAllowedAndNoMoreReadThanThereIsRoomFor) {
  RedisStreamOptions options;
  options.concurrency = 2;
  options.queue_depth = 4;
  BrokerProcess process(server_.port(), options);
  std::mutex mutex;
  std::vector<Completion<Verdict>> under_way;
  Inbox begun;
  process.subscribe("t", "app", [&](Message message, Completion<Verdict> done) {
    {
      const std::lock_guard lock(mutex);
      under_way.push_back(std::move(done));
    }
    begun.add(*message.data);
  });
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(process.publish("t", std::to_string(i)));
  begun.wait_for(2);
  EXPECT_TRUE(becomes_true([&] { return pending("t", "app") >= 4; }));
  // Two under way, and what waits: the others stay with Redis.
  EXPECT_LE(pending("t", "app"), 6);
  EXPECT_EQ(begun.size(), 2u);
  for (std::size_t i = 0; i < 20; ++i) {
    begun.wait_for(i + 1);
    Completion<Verdict> done;
    {
      const std::lock_guard lock(mutex);
      done = std::move(under_way[i]);
    }
    done(Verdict::kSuccess);
  }
  EXPECT_TRUE(becomes_true([&] { return pending("t", "app") == 0; }));
}

TEST_F(RedisBrokerTest, AFullTopicDoesNotHoldUpAnother) {
  RedisStreamOptions options;
  options.concurrency = 2;
  BrokerProcess process(server_.port(), options);
  Inbox quick;
  std::mutex mutex;
  std::vector<Completion<Verdict>> under_way;
  Inbox slow;
  std::atomic<bool> over = false;
  process.subscribe("slow", "app", [&](Message message, Completion<Verdict> done) {
    if (over) return done(Verdict::kDrop);
    {
      const std::lock_guard lock(mutex);
      under_way.push_back(std::move(done));
    }
    slow.add(*message.data);
  });
  constexpr std::size_t kSlow = 100;
  for (std::size_t i = 0; i < kSlow; ++i) ASSERT_TRUE(process.publish("slow", std::to_string(i)));
  slow.wait_for(2);
  process.listen("quick", "app", quick);
  ASSERT_TRUE(process.publish("quick", "1"));
  EXPECT_TRUE(becomes_true([&] { return pending("quick", "app") == 1; }));
  // A slot at a time is free: the quick topic gets one long before the slow one has had all.
  std::size_t ended = 0;
  for (; ended + 2 < kSlow && quick.size() == 0; ++ended) {
    Completion<Verdict> done;
    {
      const std::lock_guard lock(mutex);
      done = std::move(under_way[ended]);
    }
    done(Verdict::kSuccess);
    EXPECT_TRUE(becomes_true([&] { return quick.size() == 1 || slow.size() == ended + 3; }));
  }
  EXPECT_LT(ended + 2, kSlow);
  EXPECT_THAT(quick.wait_for(1), ElementsAre("1"));
  over = true;
  const std::lock_guard lock(mutex);
  for (Completion<Verdict>& one : under_way) {
    if (one) one(Verdict::kDrop);
  }
}

TEST_F(RedisBrokerTest, WhatWaitsHereIsNotTakenByOthers) {
  RedisStreamOptions options;
  options.redeliver_interval = milliseconds(30);
  options.processing_timeout = milliseconds(3'000);
  options.concurrency = 1;
  BrokerProcess slow(server_.port(), options);
  Inbox taken;
  std::promise<Completion<Verdict>> first;
  bool begun = false;
  slow.subscribe("t", "app", [&](Message message, Completion<Verdict> done) {
    taken.add(*message.data);
    if (!std::exchange(begun, true)) return first.set_value(std::move(done));
    done(Verdict::kSuccess);
  });
  for (const char* data : {"hangs", "waits"}) ASSERT_TRUE(slow.publish("t", data));
  Completion<Verdict> done = first.get_future().get();
  EXPECT_TRUE(becomes_true([&] { return pending("t", "app") == 2; }));
  // It is claimed anew while it waits, so it is never idle for as long as others look for.
  std::int64_t idle = -1;
  EXPECT_TRUE(becomes_true([&] {
    const Result<RedisValue> all = other_.ask({"XPENDING", "t", "app", "-", "+", "10"});
    return all->items.size() < 2 ||
           std::exchange(idle, all->items[1].items[2].integer) > all->items[1].items[2].integer;
  }));
  EXPECT_EQ(taken.size(), 1u);
  done(Verdict::kSuccess);
  EXPECT_THAT(taken.wait_for(2), ElementsAre("hangs", "waits"));
  EXPECT_TRUE(becomes_true([&] { return pending("t", "app") == 0; }));
}

TEST_F(RedisBrokerTest, AHandlersTimeBeginsWithIt) {
  RedisStreamOptions options;
  options.redeliver_interval = milliseconds(30);
  options.processing_timeout = milliseconds(8'000);
  options.concurrency = 1;
  BrokerProcess process(server_.port(), options);
  std::promise<Completion<Verdict>> first;
  std::promise<Completion<Verdict>> second;
  process.subscribe("t", "app", [&](const Message& message, Completion<Verdict> done) {
    (*message.data == "1" ? first : second).set_value(std::move(done));
  });
  for (const char* data : {"1", "2"}) ASSERT_TRUE(process.publish("t", data));
  Completion<Verdict> done = first.get_future().get();
  // How long the group has waited for the last message.
  const auto idle = [&] {
    const Result<RedisValue> all = other_.ask({"XPENDING", "t", "app", "-", "+", "10"});
    return all && !all->items.empty() ? milliseconds(all->items.back().items[2].integer) : milliseconds(-1);
  };
  // It has waited a little, not for so long that it would be claimed anew.
  EXPECT_TRUE(becomes_true([&] { return pending("t", "app") == 2 && idle() >= milliseconds(600); }));
  done(Verdict::kSuccess);
  done = second.get_future().get();
  milliseconds seen{};
  EXPECT_TRUE(becomes_true([&] {
    seen = idle();
    return seen < milliseconds(600) || seen > milliseconds(2'000);
  }));
  EXPECT_LT(seen, milliseconds(600));
  done(Verdict::kSuccess);
}

TEST(RedisBrokerReadingTest, AFailedReadIsTriedAgainByNobodyElse) {
  constexpr std::size_t kMessages = 50;
  std::string messages = "*1\r\n*2\r\n" + FakeRedis::bulk("t") + "*" + std::to_string(kMessages) + "\r\n";
  for (std::size_t i = 1; i <= kMessages; ++i) {
    messages += "*2\r\n" + FakeRedis::bulk(std::to_string(i) + "-0") + "*2\r\n" + FakeRedis::bulk("data") +
                FakeRedis::bulk("x");
  }
  bool first = true;
  FakeRedis server([&](const FakeRedis::Words& words) -> std::string {
    if (words[0] == "XREADGROUP") return std::exchange(first, false) ? messages : "-ERR not now\r\n";
    if (words[0] == "XACK" || words[0] == "CLIENT") return ":1\r\n";
    if (words[0] == "XPENDING" || words[0] == "XCLAIM") return "*0\r\n";
    return words[0] == "PING" ? "+PONG\r\n" : "+OK\r\n";
  });
  const auto heard = [&](std::string_view command) {
    std::size_t count = 0;
    for (const FakeRedis::Words& words : server.heard()) {
      if (words[0] == command) count += command == "XACK" ? words.size() - 3 : 1;
    }
    return count;
  };
  RedisStreamOptions options;
  options.queue_depth = kMessages;
  options.concurrency = kMessages;
  BrokerProcess process(server.port(), options);
  std::mutex mutex;
  std::vector<Completion<Verdict>> under_way;
  process.subscribe("t", "app", [&](const Message&, Completion<Verdict> done) {
    const std::lock_guard lock(mutex);
    under_way.push_back(std::move(done));
  });
  EXPECT_TRUE(becomes_true([&] {
    const std::lock_guard lock(mutex);
    return under_way.size() == kMessages;
  }));
  const auto began = steady_clock::now();
  // Each of them makes room, which is a reason to read.
  for (std::size_t i = 0; i < kMessages; ++i) {
    under_way[i](Verdict::kSuccess);
    EXPECT_TRUE(becomes_true([&] { return heard("XACK") == i + 1; }));
  }
  const auto pauses = static_cast<std::size_t>((steady_clock::now() - began) / milliseconds(100));
  EXPECT_LE(heard("XREADGROUP"), 3 + pauses);
}

TEST_F(RedisBrokerTest, WhatACrashedProcessHadComesAgain) {
  Inbox lost;
  std::vector<Completion<Verdict>> never;
  BrokerProcess process(server_.port(), eager());
  process.subscribe("t", "app", [&](Message message, Completion<Verdict> done) {
    never.push_back(std::move(done));
    lost.add(*message.data);
  });
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(process.publish("t", std::to_string(i)));
  lost.wait_for(10);
  process.crash();
  BrokerProcess next(server_.port(), eager());
  Inbox found;
  next.listen("t", "app", found);
  EXPECT_EQ(found.wait_for_different(50).size(), 50u);
  EXPECT_TRUE(becomes_true([&] { return pending("t", "app") == 0; }));
}

TEST_F(RedisBrokerTest, AnOrderlyStopGivesBackWhatNobodyHasBegun) {
  RedisStreamOptions options;
  options.redeliver_interval = milliseconds(30);
  options.concurrency = 1;
  Inbox begun;
  std::promise<Completion<Verdict>> first;
  BrokerProcess process(server_.port(), options);
  process.subscribe("t", "app", [&](Message message, Completion<Verdict> done) {
    begun.add(*message.data);
    if (begun.size() == 1) first.set_value(std::move(done));
  });
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(process.publish("t", std::to_string(i)));
  Completion<Verdict> done = first.get_future().get();
  EXPECT_TRUE(becomes_true([&] { return pending("t", "app") == 10; }));
  process.unsubscribe();
  std::thread app([&] { done(Verdict::kSuccess); });
  process.close();
  app.join();
  EXPECT_EQ(begun.size(), 1u);
  EXPECT_EQ(pending("t", "app"), 9);
  // Others need not wait for a minute.
  BrokerProcess next(server_.port(), options);
  Inbox found;
  next.listen("t", "app", found);
  EXPECT_EQ(found.wait_for(9).size(), 9u);
}

TEST_F(RedisBrokerTest, AnIdleSubscriptionStopsAtOnce) {
  BrokerProcess process(server_.port(), {});
  Inbox inbox;
  process.listen("t", "app", inbox);
  ASSERT_TRUE(process.publish("t", "1"));
  inbox.wait_for(1);
  EXPECT_TRUE(becomes_true([&] {
    const Result<RedisValue> clients = other_.ask({"CLIENT", "LIST"});
    return clients->text.contains("cmd=xreadgroup") && clients->text.contains("flags=b");
  }));
  process.close();
  EXPECT_THAT(other_.ask({"INFO", "commandstats"})->text, HasSubstr("cmdstat_client|unblock:calls=1,"));
}

TEST_F(RedisBrokerTest, AGroupThatIsGoneIsMadeAnew) {
  BrokerProcess process(server_.port(), eager());
  Inbox inbox;
  process.listen("t", "app", inbox);
  ASSERT_TRUE(process.publish("t", "1"));
  inbox.wait_for(1);
  other_.ask({"DEL", "t"});
  ASSERT_TRUE(process.publish("t", "2"));
  EXPECT_THAT(inbox.wait_for(2), ElementsAre("1", "2"));
  EXPECT_THAT(process.problems.wait_for(1)[0], HasSubstr("t: the consumer group app is gone"));
}

TEST_F(RedisBrokerTest, AnotherKindOfKeyIsSaidOnceAndReadWhenItIsGone) {
  other_.ask({"SET", "t", "no stream"});
  BrokerProcess process(server_.port(), eager());
  const Status published = process.publish("t", "1");
  ASSERT_FALSE(published.has_value());
  EXPECT_THAT(published.error().message, HasSubstr("redis streams: error from publish: WRONGTYPE"));
  Inbox inbox;
  process.listen("t", "app", inbox);
  EXPECT_THAT(process.problems.wait_for(1)[0], HasSubstr("WRONGTYPE"));
  other_.ask({"DEL", "t"});
  ASSERT_TRUE(process.publish("t", "2"));
  EXPECT_THAT(inbox.wait_for(1), ElementsAre("2"));
  EXPECT_EQ(process.problems.size(), 1u);
}

TEST_F(RedisBrokerTest, NothingIsLostWhenRedisDiesAndComesBack) {
  BrokerProcess process(server_.port(), eager());
  Inbox inbox;
  process.listen("t", "app", inbox);
  std::set<std::string> acknowledged;
  int number = 0;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 100; ++i) {
      const std::string data = std::to_string(number++);
      if (process.publish("t", data)) acknowledged.insert(data);
    }
    server_.kill();
    server_.start();
  }
  EXPECT_TRUE(becomes_true([&] { return process.publish("t", "last").has_value(); }));
  acknowledged.insert("last");
  EXPECT_GE(acknowledged.size(), 200u);
  const std::set<std::string> came = inbox.wait_for_different(acknowledged.size());
  for (const std::string& data : acknowledged) EXPECT_TRUE(came.contains(data)) << data;
}

TEST_F(RedisBrokerTest, AStreamIsKeptShort) {
  RedisStreamOptions options;
  options.max_length = 100;
  BrokerProcess process(server_.port(), options);
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(process.publish("t", "x"));
  EXPECT_LT(other_.number({"XLEN", "t"}), 300);
}

TEST_F(RedisBrokerTest, AfterItsEndNothingIsPublished) {
  auto process = std::make_unique<BrokerProcess>(server_.port(), eager());
  Inbox inbox;
  process->listen("t", "app", inbox);
  ASSERT_TRUE(process->publish("t", "1"));
  inbox.wait_for(1);
  process.reset();
  EXPECT_EQ(pending("t", "app"), 0);
}

TEST(RedisBrokerStartTest, AServerThatIsNotThereIsAnErrorNow) {
  net::Workers workers(1);
  RedisStreamOptions options;
  options.redis = server_at(free_port());
  options.redis.max_retries = 0;
  const auto broker = RedisBroker::open(options, workers, 0, {}, steady_clock::now() + seconds(5));
  ASSERT_FALSE(broker.has_value());
  EXPECT_EQ(broker.error().code, Code::kUnavailable);
}

}  // namespace
}  // namespace tandem::components
