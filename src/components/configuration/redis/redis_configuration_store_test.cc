// configuration.redis against Debian's server.
#include "components/configuration/redis/redis_configuration_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "components/redis/testing/fake_redis.h"
#include "components/redis/testing/redis_server.h"
#include "components/state/redis/testing/redis_fixture.h"

namespace tandem::components {
namespace {

using configuration::Item;
using configuration::Items;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

TEST(RedisItemTest, AValueAndItsVersion) {
  const auto parts = [](std::string_view text) {
    const Item item = parse_redis_item(text);
    return std::pair(item.value, item.version);
  };
  EXPECT_THAT(parts("v"), Pair("v", ""));
  EXPECT_THAT(parts("v||1"), Pair("v", "1"));
  EXPECT_THAT(parts("v||"), Pair("v", ""));
  EXPECT_THAT(parts("v||1||2"), Pair("v", "1"));
  EXPECT_THAT(parts("||1"), Pair("", "1"));
  EXPECT_THAT(parts(""), Pair("", ""));
}

TEST(RedisItemTest, FlagsThatAreThereAreKept) {
  EXPECT_EQ(notification_flags(""), "Kg$xe");
  EXPECT_EQ(notification_flags("AK"), "");
  EXPECT_EQ(notification_flags("AE"), "AEK");
  EXPECT_EQ(notification_flags("Elg"), "ElgK$xe");
  EXPECT_EQ(notification_flags("g$xeK"), "");
}

// Keeps what it is told.
class TestWatcher final : public configuration::Watcher {
 public:
  void changed(Items items) override {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, item] : items) got_.push_back(key + "=" + item.value + "@" + item.version);
    news_.notify_all();
  }
  // The first so many.
  std::vector<std::string> wait(std::size_t count) {
    std::unique_lock lock(mutex_);
    news_.wait_for(lock, std::chrono::seconds(20), [&] { return got_.size() >= count; });
    return got_;
  }
  bool wait_for(const std::string& one) {
    std::unique_lock lock(mutex_);
    return news_.wait_for(lock, std::chrono::seconds(20), [&] { return std::ranges::find(got_, one) != got_.end(); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable news_;
  std::vector<std::string> got_;
};

class RedisConfigurationStoreTest : public testing::Test {
 protected:
  void SetUp() override { workers_.start(); }
  void TearDown() override {
    store_.reset();
    workers_.stop();
  }

  Status open(RedisOptions options) {
    options.min_retry_interval = std::chrono::milliseconds(8);
    options.max_retry_interval = std::chrono::milliseconds(100);
    auto store = RedisConfigurationStore::open(std::move(options), workers_,
                                               std::chrono::steady_clock::now() + std::chrono::seconds(5));
    if (!store) return fail(std::move(store.error()));
    store_ = std::move(*store);
    return {};
  }
  template <class T, class Call>
  Result<T> ask(Call call) {
    auto promise = std::make_shared<std::promise<Result<T>>>();
    std::future<Result<T>> answer = promise->get_future();
    workers_[1].post([call = std::move(call), promise]() mutable {
      call(Completion<T>([promise](Result<T> result) { promise->set_value(std::move(result)); }));
    });
    return answer.get();
  }
  Result<Items> get(std::vector<std::string> keys) {
    return ask<Items>([this, keys = std::move(keys)](auto done) { store_->get(context_, keys, {}, std::move(done)); });
  }
  std::shared_ptr<TestWatcher> subscribe(std::string id, std::vector<std::string> keys) {
    auto watcher = std::make_shared<TestWatcher>();
    const Result<void> result = ask<void>([this, id = std::move(id), keys = std::move(keys), watcher](auto done) {
      store_->subscribe(context_, {.id = id, .keys = keys}, watcher, std::move(done));
    });
    EXPECT_TRUE(result) << result.error().message;
    return watcher;
  }
  void unsubscribe(std::string id) {
    const Result<void> result =
        ask<void>([this, id = std::move(id)](auto done) { store_->unsubscribe(context_, id, std::move(done)); });
    EXPECT_TRUE(result);
  }

  net::Workers workers_{2};
  CallContext context_;
  std::unique_ptr<RedisConfigurationStore> store_;
};

TEST_F(RedisConfigurationStoreTest, GivesStrings) {
  RedisServer server;
  ASSERT_TRUE(open(server_at(server.port())));
  OtherClient other(server_at(server.port()));
  other.ask({"SET", "a", "1||v1"});
  other.ask({"SET", "b", "2"});
  other.ask({"SET", "empty", "||v1"});
  other.ask({"HSET", "hash", "f", "v"});
  const Result<Items> some = get({"b", "a", "empty", "hash", "none"});
  ASSERT_TRUE(some) << some.error().message;
  ASSERT_EQ(some->size(), 2U);
  EXPECT_EQ(some->at("a").value, "1");
  EXPECT_EQ(some->at("a").version, "v1");
  EXPECT_EQ(some->at("b").value, "2");
  for (int i = 0; i < 3000; ++i) other.ask({"SET", "k" + std::to_string(i), "x"});
  EXPECT_EQ(get({})->size(), 3002U);
}

TEST_F(RedisConfigurationStoreTest, TellsChanges) {
  RedisServer server;
  ASSERT_TRUE(open(server_at(server.port())));
  OtherClient other(server_at(server.port()));
  other.ask({"CONFIG", "SET", "notify-keyspace-events", "El"});
  const auto some = subscribe("some", {"a", "b"});
  const auto every = subscribe("every", {});
  other.ask({"SET", "a", "1||v1"});
  EXPECT_THAT(some->wait(1), ElementsAre("a=1@v1"));
  other.ask({"SET", "c", "3"});
  EXPECT_TRUE(every->wait_for("c=3@"));
  other.ask({"DEL", "a"});
  EXPECT_TRUE(some->wait_for("a=@"));
  other.ask({"SET", "b", "x", "PX", "1"});
  EXPECT_TRUE(some->wait_for("b=@"));
  // What others had asked for is still there.
  EXPECT_THAT(other.ask({"CONFIG", "GET", "notify-keyspace-events"})->items[1].text,
              testing::AllOf(HasSubstr("E"), HasSubstr("l"), HasSubstr("K")));

  unsubscribe("some");
  const std::size_t before = some->wait(0).size();
  other.ask({"SET", "a", "late"});
  EXPECT_TRUE(every->wait_for("a=late@"));
  EXPECT_EQ(some->wait(0).size(), before);
}

TEST_F(RedisConfigurationStoreTest, OneDatabaseOnly) {
  RedisServer server;
  RedisOptions options = server_at(server.port());
  options.database = 3;
  ASSERT_TRUE(open(options));
  OtherClient same(options);
  OtherClient other(server_at(server.port()));
  const auto watcher = subscribe("one", {"a"});
  other.ask({"SET", "a", "elsewhere"});
  same.ask({"SET", "a", "here"});
  EXPECT_THAT(watcher->wait(1), ElementsAre("a=here@"));
}

TEST_F(RedisConfigurationStoreTest, ComesBackAfterAnOutage) {
  RedisServer server;
  ASSERT_TRUE(open(server_at(server.port())));
  const auto some = subscribe("some", {"a", "b"});
  const auto every = subscribe("every", {});
  server.kill();
  server.start();
  // The new server knows nothing: neither the keys nor the setting. What is watched by name is told once more.
  EXPECT_TRUE(some->wait_for("a=@"));
  EXPECT_TRUE(some->wait_for("b=@"));
  OtherClient other(server_at(server.port()));
  other.ask({"SET", "a", "after"});
  EXPECT_TRUE(some->wait_for("a=after@"));
  EXPECT_TRUE(every->wait_for("a=after@"));
}

TEST_F(RedisConfigurationStoreTest, ASubscriptionNeedsTheServer) {
  RedisServer server;
  ASSERT_TRUE(open(server_at(server.port())));
  server.kill();
  const Result<void> result = ask<void>([this](auto done) {
    store_->subscribe(context_, {.id = "x", .keys = {"a"}}, std::make_shared<TestWatcher>(), std::move(done));
  });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kUnavailable) << result.error().message;
}

// What the store warns of. It outlives the server of a test, and says so.
struct Said {
  std::mutex mutex;
  std::vector<std::string> warnings;
};

TEST_F(RedisConfigurationStoreTest, WhereTheSettingIsForbiddenItSaysSo) {
  const auto said = std::make_shared<Said>();
  // A server that others look after.
  FakeRedis server([](const FakeRedis::Words& words) -> std::string {
    if (words[0] == "CONFIG") return "-ERR unknown command 'CONFIG'\r\n";
    if (words[0] == "SUBSCRIBE") return "*3\r\n" + FakeRedis::bulk("subscribe") + FakeRedis::bulk(words[1]) + ":1\r\n";
    return "+PONG\r\n";
  });
  RedisOptions options = server_at(server.port());
  options.warn = [said](const std::string& problem) {
    const std::lock_guard lock(said->mutex);
    said->warnings.push_back(problem);
  };
  ASSERT_TRUE(open(options));
  subscribe("one", {"a"});
  subscribe("two", {"b"});
  const std::lock_guard lock(said->mutex);
  EXPECT_THAT(said->warnings, ElementsAre(HasSubstr("notify-keyspace-events cannot be changed")));
}

TEST_F(RedisConfigurationStoreTest, AChangeThatCannotBeReadAtOnceIsReadLater) {
  const auto said = std::make_shared<Said>();
  int reads = 0;
  FakeRedis server([&](const FakeRedis::Words& words) -> std::string {
    if (words[0] == "CONFIG") return "*2\r\n" + FakeRedis::bulk(words[2]) + FakeRedis::bulk("KA");
    if (words[0] == "GET") return ++reads < 4 ? "-LOADING Redis is loading\r\n" : FakeRedis::bulk("new||v2");
    if (words[0] != "SUBSCRIBE") return "+PONG\r\n";
    // The subscription, and at once a change.
    return "*3\r\n" + FakeRedis::bulk("subscribe") + FakeRedis::bulk(words[1]) + ":1\r\n*3\r\n" +
           FakeRedis::bulk("message") + FakeRedis::bulk(words[1]) + FakeRedis::bulk("set");
  });
  RedisOptions options = server_at(server.port());
  options.warn = [said](const std::string& problem) {
    const std::lock_guard lock(said->mutex);
    said->warnings.push_back(problem);
  };
  ASSERT_TRUE(open(options));
  const auto watcher = subscribe("one", {"a"});
  EXPECT_TRUE(watcher->wait_for("a=new@v2"));
  const std::lock_guard lock(said->mutex);
  EXPECT_THAT(said->warnings, ElementsAre(HasSubstr("cannot be read yet: LOADING")));
}

TEST_F(RedisConfigurationStoreTest, RefusesACluster) {
  const Status status = open({.addresses = {{"127.0.0.1", 1}}, .cluster = true});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kUnimplemented);
}

}  // namespace
}  // namespace tandem::components
