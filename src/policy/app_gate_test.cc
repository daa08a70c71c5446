#include "policy/app_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "net/http.h"

namespace tandem::policy {
namespace {

using ::testing::HasSubstr;

class Asked final : public net::Exchange, private net::BodySource {
 public:
  Asked(int& status, std::string& said) : status_(status), said_(said) {}
  const net::RequestHead& head() const override { return head_; }
  net::BodySource& body() override { return *this; }
  CallContext& context() override { return context_; }
  void respond(int status, net::Headers, std::string_view body) override {
    status_ = status;
    said_ = body;
  }
  void start(int status, net::Headers) override { status_ = status; }
  void write(std::string_view, Completion<void> done) override { done({}); }
  void finish(net::Headers) override {}
  void abort() override {}
  bool gone() const override { return false; }

 private:
  void read(Completion<std::string_view> done) override { done(std::string_view()); }
  std::optional<std::string_view> take_whole() override { return std::string_view(); }

  net::RequestHead head_;
  CallContext context_;
  int& status_;
  std::string& said_;
};

class Healthy final : public invoke::Endpoint, public net::Handler, public pubsub::EventSink {
 public:
  net::Handler& handler(std::size_t) override { return *this; }
  void handle(std::unique_ptr<net::Exchange> exchange) override { exchange->respond(200, {}, "hello"); }
  void deliver(pubsub::Delivery delivery, Completion<pubsub::Verdict> done) override {
    topics.push_back(delivery.topic);
    done(pubsub::Verdict::kSuccess);
  }
  std::vector<std::string> topics;
};

class AppGateTest : public testing::Test {
 protected:
  int call() {
    int status = 0;
    gate_.handler(0).handle(std::make_unique<Asked>(status, said_));
    return status;
  }
  void deliver(std::string topic) {
    pubsub::Delivery delivery;
    delivery.topic = std::move(topic);
    gate_.deliver(std::move(delivery), [this](Result<pubsub::Verdict> got) { verdicts_.push_back(std::move(got)); });
  }

  Healthy app_;
  AppGate gate_{app_, app_, 1, AppGate::State::kClosed};
  std::string said_;
  std::vector<Result<pubsub::Verdict>> verdicts_;
};

TEST_F(AppGateTest, InvocationsAreRefusedWhileItIsClosed) {
  EXPECT_EQ(call(), 500);
  EXPECT_EQ(said_, "rpc error: code = Internal desc = app is not in a healthy state");
  gate_.open();
  EXPECT_EQ(call(), 200);
  gate_.close();
  EXPECT_EQ(call(), 500);
}

TEST_F(AppGateTest, AnEventThatItsBrokerHasTakenBackGoesToNobody) {
  const auto deliver_until = [&](SteadyTime give_up_by) {
    pubsub::Delivery delivery;
    delivery.topic = "late";
    delivery.give_up_by = give_up_by;
    gate_.deliver(std::move(delivery), [this](Result<pubsub::Verdict> got) { verdicts_.push_back(std::move(got)); });
  };
  const SteadyTime now = std::chrono::steady_clock::now();
  deliver_until(now);
  EXPECT_TRUE(verdicts_.empty());
  deliver_until(now);
  ASSERT_EQ(verdicts_.size(), 1u) << "the first made room";
  gate_.open();
  ASSERT_EQ(verdicts_.size(), 2u);
  for (const Result<pubsub::Verdict>& verdict : verdicts_) EXPECT_EQ(verdict.error().code, Code::kCancelled);
  EXPECT_TRUE(app_.topics.empty());
}

TEST_F(AppGateTest, EventsWaitForIt) {
  deliver("a");
  deliver("b");
  EXPECT_TRUE(verdicts_.empty());
  gate_.open();
  EXPECT_EQ(app_.topics, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(verdicts_.size(), 2u);
  deliver("c");
  EXPECT_EQ(verdicts_.size(), 3u);
}

TEST_F(AppGateTest, WhatWaitsWhenItIsShutStaysWithTheBroker) {
  deliver("a");
  gate_.shut();
  deliver("b");
  ASSERT_EQ(verdicts_.size(), 2u);
  for (const auto& verdict : verdicts_) EXPECT_EQ(verdict.error().code, Code::kCancelled);
  gate_.open();
  deliver("c");
  EXPECT_EQ(verdicts_.size(), 3u);
  EXPECT_TRUE(app_.topics.empty());
  EXPECT_EQ(call(), 200);
}

}  // namespace
}  // namespace tandem::policy
