// state.redis while its server dies: killed under load and started again, and replaced by its replica.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "components/redis/testing/redis_server.h"
#include "components/state/redis/testing/redis_fixture.h"

namespace tandem::components {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

// Writers on both workers that count up keys of their own, one write after the other, until they are stopped.
class Load final {
 public:
  Load(RedisFixture& fixture, int writers) : fixture_(fixture), writers_(writers) {
    for (int i = 0; i < writers; ++i) write(i);
  }
  // What was acknowledged at least, by writer. Every writer has ended.
  std::vector<int> stop() {
    stopping_ = true;
    const auto end = steady_clock::now() + seconds(20);
    while (ended_ < static_cast<int>(writers_.size()) && steady_clock::now() < end) std::this_thread::yield();
    EXPECT_EQ(ended_, static_cast<int>(writers_.size()));
    std::vector<int> acknowledged;
    for (const Writer& writer : writers_) acknowledged.push_back(writer.acknowledged);
    return acknowledged;
  }

  int acknowledged() const { return acknowledged_; }
  int failed() const { return failed_; }
  milliseconds slowest() const { return milliseconds(slowest_ms_.load()); }

 private:
  struct Writer {
    int next = 1;
    std::atomic<int> acknowledged = 0;
  };

  void write(int index) {
    fixture_.workers()[static_cast<std::size_t>(index) % 2].post([this, index] {
      Writer& writer = writers_[static_cast<std::size_t>(index)];
      if (stopping_) {
        ++ended_;
        return;
      }
      const auto began = steady_clock::now();
      fixture_.store().set(context_, {.key = "w" + std::to_string(index), .value = share(std::to_string(writer.next))},
                           [this, index, began](Result<void> result) {
                             Writer& writer = writers_[static_cast<std::size_t>(index)];
                             if (result) {
                               writer.acknowledged = writer.next;
                               ++acknowledged_;
                             } else {
                               ++failed_;
                             }
                             ++writer.next;
                             const auto took =
                                 std::chrono::duration_cast<milliseconds>(steady_clock::now() - began).count();
                             std::int64_t slowest = slowest_ms_;
                             while (took > slowest && !slowest_ms_.compare_exchange_weak(slowest, took)) {
                             }
                             write(index);
                           });
    });
  }

  RedisFixture& fixture_;
  const CallContext context_;
  std::vector<Writer> writers_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> ended_ = 0;
  std::atomic<int> acknowledged_ = 0;
  std::atomic<int> failed_ = 0;
  std::atomic<std::int64_t> slowest_ms_ = 0;
};

template <class Condition>
testing::AssertionResult becomes_true(Condition condition) {
  const auto end = steady_clock::now() + seconds(20);
  while (!condition()) {
    if (steady_clock::now() > end) return testing::AssertionFailure() << "not in twenty seconds";
    std::this_thread::yield();
  }
  return testing::AssertionSuccess();
}

TEST(RedisOutageTest, AServerKilledUnderLoadLosesNoAcknowledgedWrite) {
  RedisServer server({.arguments = {"--appendonly", "yes", "--appendfsync", "always"}});
  RedisFixture fixture;
  ASSERT_TRUE(fixture.open(server_at(server.port())));
  constexpr int kWriters = 32;
  Load load(fixture, kWriters);
  for (int round = 0; round < 3; ++round) {
    const int before = load.acknowledged();
    ASSERT_TRUE(becomes_true([&] { return load.acknowledged() > before + 200; })) << "round " << round;
    const int failed = load.failed();
    server.kill();
    ASSERT_TRUE(becomes_true([&] { return load.failed() > failed; })) << "round " << round;
    server.start();
  }
  const int before = load.acknowledged();
  ASSERT_TRUE(becomes_true([&] { return load.acknowledged() > before + 200; }));
  const std::vector<int> acknowledged = load.stop();
  // Three seconds are the time-out of a write; the clock of the workers is a little coarse.
  EXPECT_LT(load.slowest(), milliseconds(4'000));
  for (int i = 0; i < kWriters; ++i) {
    EXPECT_GE(std::stoi(fixture.value("w" + std::to_string(i))), acknowledged[static_cast<std::size_t>(i)]) << i;
  }
}

TEST(RedisOutageTest, SentinelsNameTheNextMaster) {
  RedisServer master;
  RedisServer replica({.arguments = {"--replicaof", "127.0.0.1 " + std::to_string(master.port())}});
  RedisServer sentinel({.sentinel = "sentinel monitor orders 127.0.0.1 " + std::to_string(master.port()) +
                                    " 1\nsentinel down-after-milliseconds orders 300\n"
                                    "sentinel failover-timeout orders 2000\n"});
  RedisFixture fixture;
  RedisOptions options = server_at(sentinel.port());
  // A sentinel that is not there does not matter.
  options.addresses.insert(options.addresses.begin(), {"127.0.0.1", free_port()});
  options.sentinel_master = "nobody";
  EXPECT_THAT(fixture.open(options).error().message, testing::HasSubstr("\"nobody\""));
  options.sentinel_master = "orders";
  ASSERT_TRUE(fixture.open(options));
  ASSERT_TRUE(fixture.set({.key = "k", .value = share("1"), .consistency = state::Consistency::kStrong}));
  OtherClient watcher(server_at(sentinel.port()));
  OtherClient second(server_at(replica.port()));
  ASSERT_TRUE(becomes_true([&] { return !second.hash("k").empty(); }));
  ASSERT_TRUE(becomes_true([&] {
    const Result<RedisValue> known = watcher.ask({"SENTINEL", "replicas", "orders"});
    return known && !known->items.empty();
  }));
  master.kill();
  ASSERT_TRUE(becomes_true([&] { return fixture.set("k", "2").has_value(); }));
  EXPECT_EQ(second.hash("k")["data"], "2");
}

}  // namespace
}  // namespace tandem::components
