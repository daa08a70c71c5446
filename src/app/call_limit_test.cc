#include "app/call_limit.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "app/app_config.h"
#include "base/testing/test_loop.h"

namespace tandem::app {
namespace {

TEST(CallLimit, WhoComesOverItWaitsItsTurn) {
  TestLoop loop;
  CallLimit limit(2, 10);
  std::vector<CallLimit::Slot> slots;
  std::vector<int> order;
  for (int i = 0; i < 4; ++i) {
    limit.take(loop, [&, i](Result<CallLimit::Slot> slot) {
      ASSERT_TRUE(slot.has_value());
      order.push_back(i);
      slots.push_back(std::move(*slot));
    });
  }
  EXPECT_EQ(order, (std::vector{0, 1}));
  EXPECT_EQ(limit.waiting(), 2u);
  slots.erase(slots.begin());
  EXPECT_EQ(order.size(), 2u);  // on its worker, and not inside another's end
  loop.run_ready();
  EXPECT_EQ(order, (std::vector{0, 1, 2}));
  slots.clear();
  loop.run_ready();
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3}));
  slots.clear();
  bool free = false;
  limit.take(loop, [&](Result<CallLimit::Slot> slot) { free = slot.has_value(); });
  EXPECT_TRUE(free);
}

TEST(CallLimit, TooManyDoNotWait) {
  TestLoop loop;
  CallLimit limit(1, 1);
  std::optional<CallLimit::Slot> held;
  limit.take(loop, [&](Result<CallLimit::Slot> slot) { held = std::move(*slot); });
  bool waited = false;
  limit.take(loop, [&](Result<CallLimit::Slot> slot) { waited = slot.has_value(); });
  Code code = Code::kOk;
  limit.take(loop, [&](Result<CallLimit::Slot> slot) { code = slot.error().code; });
  EXPECT_EQ(code, Code::kResourceExhausted);
  held.reset();
  loop.run_ready();
  EXPECT_TRUE(waited);
}

TEST(AppConfig, NamesActors) {
  EXPECT_EQ(parse_app_config(R"({"entities":["Cat",7,"Dog"],"actorIdleTimeout":"1h"})")->entities,
            (std::vector<std::string>{"Cat", "Dog"}));
  EXPECT_TRUE(parse_app_config("{}")->entities.empty());
  EXPECT_FALSE(parse_app_config("[]").has_value());
  EXPECT_FALSE(parse_app_config("<html>").has_value());
}

}  // namespace
}  // namespace tandem::app
