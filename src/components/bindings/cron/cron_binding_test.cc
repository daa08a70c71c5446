#include "components/bindings/cron/cron_binding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <vector>

#include "net/worker.h"

namespace tandem::components {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

// What has come, and the ends of what is kept.
class Events final {
 public:
  bindings::EventHandler handler() {
    return [this](bindings::Event event, Completion<std::string> done) {
      const std::lock_guard lock(mutex_);
      events.push_back(std::move(event));
      if (keeps) {
        kept.push_back(std::move(done));
      } else {
        done(std::string());
      }
      changed_.notify_all();
    };
  }
  bool wait(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return events.size() >= count; });
  }
  std::size_t count() {
    const std::lock_guard lock(mutex_);
    return events.size();
  }

  bool keeps = false;
  std::vector<bindings::Event> events;
  std::vector<Completion<std::string>> kept;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

class CronBindingTest : public testing::Test {
 protected:
  CronBindingTest() { workers_.start(); }
  ~CronBindingTest() override { workers_.stop(); }
  std::unique_ptr<CronBinding> make(std::string_view schedule) {
    return CronBinding::make("timer", schedule, workers_[0], nullptr).value();
  }
  // Everything that was posted before has run.
  void settle() {
    std::promise<void> done;
    workers_[0].post([&] { done.set_value(); });
    done.get_future().wait();
  }

  net::Workers workers_{1};
};

TEST_F(CronBindingTest, BringsAnEventAtEachTime) {
  Events events;
  const auto binding = make("@every 2ms");
  const auto reading = binding->read("app", events.handler());
  ASSERT_TRUE(reading);
  ASSERT_TRUE(events.wait(3));
  const bindings::Event& event = events.events.front();
  EXPECT_EQ(event.data, "");
  EXPECT_EQ(event.metadata.at("timeZone"), "Local");
  EXPECT_THAT(event.metadata.at("readTimeUTC"),
              MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}([.][0-9]{1,9})? [+]0000 UTC"));
  workers_.stop();
}

TEST_F(CronBindingTest, FollowsTheClock) {
  Events events;
  const auto binding = make("* * * * * *");
  const auto reading = binding->read("app", events.handler());
  EXPECT_TRUE(events.wait(2));
  workers_.stop();
}

TEST_F(CronBindingTest, EachAppHasAReadingOfItsOwn) {
  Events first;
  Events second;
  const auto binding = make("@every 2ms");
  auto of_first = binding->read("first", first.handler());
  const auto of_second = binding->read("second", second.handler());
  ASSERT_TRUE(first.wait(1));
  ASSERT_TRUE(second.wait(1));
  of_first->reset();
  settle();
  const std::size_t then = first.count();
  ASSERT_TRUE(second.wait(second.count() + 3));
  EXPECT_EQ(first.count(), then);
  workers_.stop();
}

TEST_F(CronBindingTest, AnEventUnderWayHoldsUpNoOtherUpToALimit) {
  Events events;
  events.keeps = true;
  const auto binding = make("@every 1ms");
  auto reading = binding->read("app", events.handler());
  ASSERT_TRUE(events.wait(CronBinding::kMaxUnderWay));
  // The next times pass without an event.
  Events clock;
  const auto beside = binding->read("clock", clock.handler());
  ASSERT_TRUE(clock.wait(10));
  EXPECT_EQ(events.count(), CronBinding::kMaxUnderWay);
  workers_[0].post([&] { events.kept.front()(std::string()); });
  EXPECT_TRUE(events.wait(CronBinding::kMaxUnderWay + 1));
  reading->reset();
  workers_.stop();
}

TEST_F(CronBindingTest, AScheduleThatIsNoneIsRefused) {
  const auto binding = CronBinding::make("timer", "whenever", workers_[0], nullptr);
  ASSERT_FALSE(binding);
  EXPECT_THAT(binding.error().message, HasSubstr("schedule: invalid schedule format 'whenever'"));
}

}  // namespace
}  // namespace tandem::components
