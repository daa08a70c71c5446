#include "cli/stop_signals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <future>
#include <thread>

namespace tandem::cli {
namespace {

// Whoever waits for what does not come is ended by the alarm.
constexpr unsigned kPatienceSeconds = 20;

// Waits until the watching thread has the signal.
bool is_taken(int signal) {
  sigset_t pending;
  do {
    std::this_thread::yield();
    if (::sigpending(&pending) != 0) return false;
  } while (::sigismember(&pending, signal) == 1);
  return true;
}

TEST(StopSignals, ASignalEndsTheWait) {
  auto signals = StopSignals::make();
  ASSERT_TRUE(signals) << signals.error().message;
  (*signals)->expect_stop();
  ::kill(::getpid(), SIGTERM);
  (*signals)->wait();
}

TEST(StopSignals, AWaitWithATimeTellsWhetherSomethingCame) {
  auto signals = StopSignals::make();
  ASSERT_TRUE(signals) << signals.error().message;
  EXPECT_FALSE((*signals)->wait_for(std::chrono::milliseconds(1)));
  (*signals)->request_stop();
  EXPECT_TRUE((*signals)->wait_for(std::chrono::minutes(1)));
  (*signals)->wait();
}

TEST(StopSignals, ARequestFromAnyThreadEndsTheWaitAndIsNotASignal) {
  auto signals = StopSignals::make();
  ASSERT_TRUE(signals) << signals.error().message;
  std::thread other([&] {
    (*signals)->request_stop();
    (*signals)->request_stop();
  });
  other.join();
  (*signals)->expect_stop();
  (*signals)->wait();
  // The first signal after a request is the first: the orderly stop goes on.
  ::kill(::getpid(), SIGINT);
  ASSERT_TRUE(is_taken(SIGINT));
  (*signals)->wait();
}

TEST(StopSignals, AHangUpReloadsAndTheWaitGoesOn) {
  auto signals = StopSignals::make();
  ASSERT_TRUE(signals) << signals.error().message;
  // Also one that comes before anything serves.
  ::kill(::getpid(), SIGHUP);
  ASSERT_TRUE(is_taken(SIGHUP));
  (*signals)->expect_stop();
  int reloads = 0;
  (*signals)->wait([&] {
    if (++reloads < 3) {
      ::kill(::getpid(), SIGHUP);
    } else {
      ::kill(::getpid(), SIGTERM);
    }
  });
  EXPECT_EQ(reloads, 3);
  // Nobody to tell: nothing happens.
  ::kill(::getpid(), SIGHUP);
  ASSERT_TRUE(is_taken(SIGHUP));
  (*signals)->wait();
}

TEST(StopSignals, ABrokenPipeDoesNotEndTheProcess) {
  auto signals = StopSignals::make();
  ASSERT_TRUE(signals) << signals.error().message;
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  EXPECT_EQ(::write(ends[1], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  ::close(ends[1]);
}

// A signal in the first one's time that was not ignored would end this process.
TEST(StopSignals, SignalsThatFollowAtOnceAreOneWish) {
  auto signals = StopSignals::make();
  ASSERT_TRUE(signals) << signals.error().message;
  std::promise<void> over;
  const auto sent = std::chrono::steady_clock::now();
  (*signals)->expect_stop([&] { over.set_value(); });
  for (const int signal : {SIGTERM, SIGINT, SIGTERM}) {
    ::kill(::getpid(), signal);
    (*signals)->wait();
    ASSERT_TRUE(is_taken(signal));
  }
  ASSERT_EQ(over.get_future().wait_for(std::chrono::seconds(kPatienceSeconds)), std::future_status::ready);
  EXPECT_GE(std::chrono::steady_clock::now() - sent, StopSignals::kOneWish);
}

TEST(StopSignalsDeathTest, ALaterSignalEndsTheProcessAtOnce) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        ::alarm(kPatienceSeconds);
        auto signals = StopSignals::make();
        (*signals)->expect_stop([] { ::kill(::getpid(), SIGTERM); });
        ::kill(::getpid(), SIGINT);
        (*signals)->wait();
        while (true) ::pause();
      },
      testing::ExitedWithCode(1), "second signal");
}

TEST(StopSignalsDeathTest, ASignalBeforeServingEndsTheProcessAtOnce) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        ::alarm(kPatienceSeconds);
        auto signals = StopSignals::make();
        ::kill(::getpid(), SIGTERM);
        while (true) ::pause();
      },
      testing::ExitedWithCode(1), "before it served");
}

}  // namespace
}  // namespace tandem::cli
