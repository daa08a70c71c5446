#include "cli/stop_signals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <thread>

namespace tandem::cli {
namespace {

// Whoever waits for what does not come is ended by the alarm.
constexpr unsigned kPatienceSeconds = 20;

TEST(StopSignals, ASignalEndsTheWait) {
  auto signals = StopSignals::make();
  ASSERT_TRUE(signals) << signals.error().message;
  (*signals)->expect_stop();
  ::kill(::getpid(), SIGTERM);
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
  sigset_t pending;
  do {
    std::this_thread::yield();
    ASSERT_EQ(::sigpending(&pending), 0);
  } while (::sigismember(&pending, SIGINT) == 1);
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

TEST(StopSignalsDeathTest, TheSecondSignalEndsTheProcessAtOnce) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        ::alarm(kPatienceSeconds);
        auto signals = StopSignals::make();
        (*signals)->expect_stop();
        ::kill(::getpid(), SIGINT);
        (*signals)->wait();
        ::kill(::getpid(), SIGTERM);
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
