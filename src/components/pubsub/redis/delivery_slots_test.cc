#include "components/pubsub/redis/delivery_slots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/testing/test_loop.h"

namespace tandem::components {
namespace {

// Has messages, which end at once unless it is told otherwise.
class Messages final : public DeliverySlots::Taker {
 public:
  Messages(DeliverySlots& slots, std::string& log, char name, int count)
      : slots_(slots), log_(log), name_(name), count_(count) {}

  bool begin_one() override {
    if (count_ == 0) return false;
    --count_;
    log_ += name_;
    if (ends_at_once) slots_.release();
    return true;
  }
  bool has_more() const override { return count_ > 0; }

  bool ends_at_once = true;

 private:
  DeliverySlots& slots_;
  std::string& log_;
  const char name_;
  int count_;
};

class DeliverySlotsTest : public testing::Test {
 protected:
  std::shared_ptr<Messages> messages(char name, int count) {
    return std::make_shared<Messages>(slots_, log_, name, count);
  }

  TestLoop loop_;
  DeliverySlots slots_{2, loop_};
  std::string log_;
};

TEST_F(DeliverySlotsTest, TakersHaveTheirTurns) {
  const auto a = messages('a', 4);
  const auto b = messages('b', 3);
  a->ends_at_once = b->ends_at_once = false;
  slots_.want(a);
  slots_.want(b);
  EXPECT_EQ(log_, "aa");
  for (int i = 0; i < 4; ++i) slots_.release();
  EXPECT_EQ(log_, "aaabab");
}

TEST_F(DeliverySlotsTest, ATurnOfTheLoopIsNotTheirsAlone) {
  const auto many = messages('a', 100);
  slots_.want(many);
  const std::size_t first = log_.size();
  EXPECT_GT(first, 1u);
  EXPECT_LT(first, 50u);
  // The rest comes by itself, and what somebody else wants meanwhile comes between.
  const auto one = messages('b', 1);
  slots_.want(one);
  EXPECT_LT(log_.find('b'), 50u);
  loop_.run_ready();
  EXPECT_EQ(log_.size(), 101u);
}

TEST_F(DeliverySlotsTest, WhoIsGoneHasNoTurn) {
  auto a = messages('a', 1);
  a->ends_at_once = false;
  slots_.want(a);
  auto blocked = messages('b', 2);
  blocked->ends_at_once = false;
  slots_.want(blocked);
  slots_.want(messages('c', 1));
  blocked.reset();
  slots_.release();
  EXPECT_EQ(log_, "ab");
}

}  // namespace
}  // namespace tandem::components
