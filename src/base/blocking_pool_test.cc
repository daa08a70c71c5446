#include "base/blocking_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <vector>

namespace tandem {
namespace {

TEST(BlockingPoolTest, RunsEveryTaskOnItsOwnThreads) {
  std::atomic<int> ran = 0;
  std::atomic<int> on_caller = 0;
  const auto caller = std::this_thread::get_id();
  BlockingPool pool(3, 10);
  for (int i = 0; i < 200; ++i) {
    pool.post([&] {
      ++ran;
      if (std::this_thread::get_id() == caller) ++on_caller;
    });
  }
  pool.stop();
  EXPECT_EQ(ran, 200);
  EXPECT_EQ(on_caller, 0);
}

TEST(BlockingPoolTest, OneThreadKeepsTheOrder) {
  std::vector<int> order;
  BlockingPool pool(1, 10);
  for (int i = 0; i < 5; ++i) pool.post([&order, i] { order.push_back(i); });
  pool.stop();
  EXPECT_THAT(order, testing::ElementsAre(0, 1, 2, 3, 4));
}

TEST(BlockingPoolTest, TryPostLeavesTheTaskAloneWhenTheQueueIsFull) {
  BlockingPool pool(1, 1);
  std::promise<void> started;
  std::promise<void> release;
  pool.post([&] {
    started.set_value();
    release.get_future().wait();
  });
  started.get_future().wait();

  std::atomic<int> ran = 0;
  Task first = [&] { ++ran; };
  Task second = [&] { ++ran; };
  EXPECT_TRUE(pool.try_post(first));
  EXPECT_EQ(pool.queued(), 1u);
  EXPECT_FALSE(pool.try_post(second));
  EXPECT_TRUE(second != nullptr);
  release.set_value();
  pool.stop();
  EXPECT_EQ(ran, 1);
}

TEST(BlockingPoolTest, TasksAfterStopAreDestroyedUnrun) {
  BlockingPool pool(2, 10);
  pool.stop();
  auto token = std::make_shared<int>(1);
  std::weak_ptr<int> watch = token;
  bool ran = false;
  pool.post([token = std::move(token), &ran] { ran = true; });
  EXPECT_TRUE(watch.expired());
  EXPECT_FALSE(ran);
  Task task = [&ran] { ran = true; };
  EXPECT_FALSE(pool.try_post(task));
  pool.stop();
}

TEST(BlockingPoolTest, AStopWithADeadlineWaitsForWhatEnds) {
  BlockingPool pool(2, 10);
  std::atomic<int> ran = 0;
  for (int i = 0; i < 10; ++i) pool.post([&] { ++ran; });
  EXPECT_TRUE(pool.stop(std::chrono::steady_clock::now() + std::chrono::seconds(20)));
  EXPECT_EQ(ran, 10);
}

TEST(BlockingPoolTest, AStopWithADeadlineLeavesWhatDoesNotEnd) {
  const auto release = std::make_shared<std::promise<void>>();
  std::promise<void> begun;
  std::promise<void> ended;
  bool destroyed = false;
  {
    BlockingPool pool(1, 10);
    pool.post([&begun, &ended, release] {
      begun.set_value();
      release->get_future().wait();
      ended.set_value();
    });
    begun.get_future().wait();
    pool.post([owned = std::shared_ptr<void>(nullptr, [&](void*) { destroyed = true; })] { FAIL(); });
    EXPECT_FALSE(pool.stop(std::chrono::steady_clock::now() + std::chrono::milliseconds(20)));
    EXPECT_TRUE(destroyed);
  }
  release->set_value();
  ended.get_future().wait();
}

}  // namespace
}  // namespace tandem
