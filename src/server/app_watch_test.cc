#include "server/app_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

namespace tandem::server {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

const Logger& quiet() {
  static const Logger log(Logger::Options{.level = LogLevel::kFatal});
  return log;
}

// Plays an app that answers probes as it is told, and writes down what the watch did.
class Script final {
 public:
  AppWatch::Steps steps(Status there = {}) {
    return {.reach = [there] { return there; },
            .reached = [this] { note("reached"); },
            .probe = [this]() -> Status {
              const std::lock_guard lock(mutex_);
              const bool good = answers_.empty() ? last_ : answers_.front();
              if (!answers_.empty()) answers_.pop_front();
              last_ = good;
              changed_.notify_all();
              if (good) return {};
              return fail(Code::kUnavailable, "not well");
            },
            .told = [this](bool healthy) { note(healthy ? "healthy" : "unhealthy"); }};
  }
  void answer(std::deque<bool> answers) {
    const std::lock_guard lock(mutex_);
    answers_ = std::move(answers);
  }
  // When so much has happened and every answer is given.
  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 10s, [&] { return noted_.size() >= count && answers_.empty(); }));
    return noted_;
  }

 private:
  void note(std::string what) {
    const std::lock_guard lock(mutex_);
    noted_.push_back(std::move(what));
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<bool> answers_;
  bool last_ = false;
  std::vector<std::string> noted_;
};

TEST(AppWatch, WithoutACheckTheAppIsHealthyOnceItIsThere) {
  Script script;
  AppWatch watch(quiet(), std::nullopt, script.steps());
  EXPECT_FALSE(watch.healthy());
  watch.start();
  EXPECT_THAT(script.wait_for(2), ElementsAre("healthy", "reached"));
  EXPECT_TRUE(watch.healthy());
  EXPECT_FALSE(watch.wait_until_unhealthy(std::chrono::steady_clock::now()));
  watch.stop();
  EXPECT_TRUE(watch.wait_until_unhealthy(std::chrono::steady_clock::now() + 1h));
}

TEST(AppWatch, HealthChangesByTheThresholdAndNotBefore) {
  Script script;
  script.answer({false, true, false, false, true, false, false, false});
  AppWatch watch(quiet(), HealthCheck{.interval = 1ms, .timeout = 1ms, .threshold = 3}, script.steps());
  watch.start();
  EXPECT_THAT(script.wait_for(3), ElementsAre("reached", "healthy", "unhealthy"));
  EXPECT_TRUE(watch.wait_until_unhealthy(std::chrono::steady_clock::now() + 10s));
  script.answer({true});
  EXPECT_THAT(script.wait_for(4), ElementsAre("reached", "healthy", "unhealthy", "healthy"));
}

TEST(AppWatch, AnAppThatNeverComesIsTold) {
  Script script;
  AppWatch watch(quiet(), std::nullopt, script.steps(fail(Code::kCancelled, "stopped")));
  watch.start();
  watch.stop();
  EXPECT_TRUE(script.wait_for(0).empty());
  EXPECT_FALSE(watch.healthy());
}

}  // namespace
}  // namespace tandem::server
