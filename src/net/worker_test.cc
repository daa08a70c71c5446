#include "net/worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "net/testing/raw_client.h"
#include "net/timeout_wheel.h"

namespace tandem::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

TEST(Worker, RunsTasksInOrderOnItsOwnThread) {
  Workers workers(2);
  workers.start();
  std::vector<int> order;
  std::atomic<bool> done = false;
  std::atomic<bool> here = true;
  for (int i = 0; i < 100; ++i) workers[1].post([&order, i] { order.push_back(i); });
  workers[1].post([&] {
    here = workers[1].running_here() && !workers[0].running_here();
    done = true;
  });
  ASSERT_TRUE(wait_for([&] { return done.load(); }));
  EXPECT_TRUE(here);
  EXPECT_FALSE(workers[1].running_here());
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(Worker, RunsDelayedTasksNoEarlier) {
  Workers workers(1);
  workers.start();
  const auto start = steady_clock::now();
  std::atomic<std::int64_t> after = -1;
  workers[0].post_after(milliseconds(30), [&] { after = (steady_clock::now() - start) / milliseconds(1); });
  ASSERT_TRUE(wait_for([&] { return after >= 0; }));
  EXPECT_GE(after, 30);
}

TEST(Worker, DestroysTasksUnrunAfterStop) {
  auto alive = std::make_shared<int>(1);
  std::atomic<bool> ran = false;
  {
    Workers workers(1);
    workers.start();
    workers[0].post_after(std::chrono::hours(1), [alive, &ran] { ran = true; });
    workers.stop();
    EXPECT_TRUE(workers[0].stopped());
    workers[0].post([alive, &ran] { ran = true; });
  }
  EXPECT_FALSE(ran);
  EXPECT_EQ(alive.use_count(), 1);
}

class Alarm final : public TimeoutEntry {
 public:
  int fired = 0;

 private:
  void on_timeout() override { ++fired; }
};

TEST(TimeoutWheel, FiresAtItsTimeAndNotBefore) {
  int woken = 0;
  TimeoutWheel wheel(milliseconds(100), [&] { ++woken; });
  const auto start = steady_clock::now();
  Alarm near;
  Alarm far;
  wheel.arm(near, start + milliseconds(250));
  wheel.arm(far, start + std::chrono::seconds(120));  // further than the wheel is round
  EXPECT_EQ(woken, 1);
  wheel.advance(start + milliseconds(249));
  EXPECT_EQ(near.fired, 0);
  wheel.advance(start + milliseconds(460));
  EXPECT_EQ(near.fired, 1);
  wheel.advance(start + std::chrono::seconds(119));
  EXPECT_EQ(far.fired, 0);
  wheel.advance(start + std::chrono::seconds(121));
  EXPECT_EQ(far.fired, 1);
  EXPECT_TRUE(wheel.empty());
}

TEST(TimeoutWheel, MovesAndForgets) {
  TimeoutWheel wheel(milliseconds(100), [] {});
  const auto start = steady_clock::now();
  Alarm later;
  Alarm sooner;
  Alarm never;
  auto destroyed = std::make_unique<Alarm>();
  wheel.arm(later, start + milliseconds(200));
  wheel.arm(later, start + milliseconds(2000));
  wheel.arm(sooner, start + milliseconds(2000));
  wheel.arm(sooner, start + milliseconds(200));
  wheel.arm(never, start + milliseconds(200));
  wheel.disarm(never);
  wheel.arm(*destroyed, start + milliseconds(200));
  destroyed.reset();
  wheel.advance(start + milliseconds(1000));
  EXPECT_EQ(later.fired, 0);
  EXPECT_EQ(sooner.fired, 1);
  wheel.advance(start + milliseconds(3000));
  EXPECT_EQ(later.fired, 1);
  EXPECT_EQ(sooner.fired, 1);
  EXPECT_EQ(never.fired, 0);
  EXPECT_TRUE(wheel.empty());
}

}  // namespace
}  // namespace tandem::net
