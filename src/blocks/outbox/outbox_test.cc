#include "blocks/outbox/outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/testing/test_loop.h"
#include "blocks/outbox/go_text.h"

namespace tandem::outbox {
namespace {

using state::Operation;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

class FakeStore final : public state::Store {
 public:
  state::Features features() const override { return {.transactional = transactional_}; }
  void ping(const CallContext&, Completion<void> done) override { done({}); }
  void get(const CallContext&, const state::GetRequest& request, Completion<state::GetResponse> done) override {
    const auto found = values_.find(request.key);
    done(state::GetResponse{.data = found == values_.end() ? nullptr : found->second});
  }
  void set(const CallContext&, state::SetRequest, Completion<void> done) override { done({}); }
  void remove(const CallContext&, state::DeleteRequest request, Completion<void> done) override {
    values_.erase(request.key);
    done({});
  }
  void transact(const CallContext&, std::vector<Operation> operations, Completion<void> done) override {
    if (is_broken_) return done(fail(Code::kInternal, "broken"));
    for (Operation& operation : operations) {
      if (auto* set = std::get_if<state::SetRequest>(&operation)) values_[set->key] = set->value;
    }
    done({});
  }
  std::map<std::string, SharedBytes, std::less<>> values_;
  bool is_broken_ = false;
  bool transactional_ = true;
};

class FakeBroker final : public pubsub::Broker {
 public:
  void publish(const CallContext&, pubsub::PublishRequest request, Completion<void> done) override {
    if (is_broken_) return done(fail(Code::kUnavailable, "no broker"));
    published_.emplace_back(request.topic, *request.data);
    done({});
  }
  Result<std::unique_ptr<Subscription>> subscribe(std::string topic, std::string, Metadata,
                                                  pubsub::MessageHandler handler) override {
    handlers_[topic] = std::move(handler);
    return std::make_unique<Subscription>();
  }
  std::vector<std::pair<std::string, std::string>> published_;
  std::map<std::string, pubsub::MessageHandler> handlers_;
  bool is_broken_ = false;
};

class OutboxTest : public testing::Test {
 protected:
  void SetUp() override {
    auto store = std::make_unique<FakeStore>();
    store_ = store.get();
    ASSERT_TRUE(state_.add({.name = "store", .store = std::move(store)}));
    auto broker = std::make_unique<FakeBroker>();
    broker_ = broker.get();
    ASSERT_TRUE(pubsub_.add_broker({.name = "bus", .broker = std::move(broker)}));
    state_.set_outbox(outbox_);
    outbox_.set("store", Settings{"bus", "orders", "bus"});
  }

  Result<void> transact(std::vector<Operation> operations) {
    Result<void> result = fail(Code::kUnknown, "it did not end");
    state_.transact({context_, loop_}, "store", std::move(operations), [&](Result<void> r) { result = std::move(r); });
    loop_.run_ready();
    return result;
  }
  static state::SetRequest set(std::string key, std::string json, Metadata metadata = {}) {
    return {.key = std::move(key),
            .value = share(std::move(json)),
            .form = state::ValueForm::kJson,
            .metadata = std::move(metadata)};
  }
  // Gives the message to the outbox, as its broker does.
  void bring(const std::string& event) {
    broker_->handlers_.at("prodshopordersoutbox")({.topic = "prodshopordersoutbox", .data = share(event)},
                                                  [this](Result<pubsub::Verdict> v) { verdicts_.push_back(*v); });
  }
  static std::string member(const std::string& json, std::string_view wanted) {
    JsonMembers members(json);
    std::string name;
    std::string_view value;
    std::string found;
    while (members.next(name, value)) {
      if (name == wanted) found = value;
    }
    return found;
  }

  TestLoop loop_;
  CallContext context_{.app_id = "shop", .trace = {"00-trace", "a=b"}};
  state::StateService state_{"prod"};
  pubsub::PubsubService pubsub_;
  Outbox outbox_{"prod", state_, pubsub_, loop_, nullptr};
  FakeStore* store_ = nullptr;
  FakeBroker* broker_ = nullptr;
  std::vector<pubsub::Verdict> verdicts_;
};

TEST_F(OutboxTest, AnEventGoesOnWhenItsTransactionIsDone) {
  outbox_.start("shop");
  ASSERT_TRUE(
      transact({set("k", R"({"a":1})", {{"contentType", "application/json"}, {"type", "order"}, {"id", "x"}})}));
  ASSERT_THAT(broker_->published_, SizeIs(1));
  const auto [topic, event] = broker_->published_[0];
  EXPECT_EQ(topic, "prodshopordersoutbox");
  EXPECT_THAT(member(event, "id"), StartsWith("\"outbox-"));
  EXPECT_EQ(member(event, "data"), R"({"a":1})");
  EXPECT_EQ(member(event, "source"), "\"shop\"");
  EXPECT_EQ(member(event, "type"), "\"order\"");
  EXPECT_EQ(member(event, "topic"), "\"\"");
  EXPECT_EQ(member(event, "traceid"), "\"00-trace\"");
  EXPECT_EQ(member(event, "traceparent"), "\"\"");
  const std::string key = json_text(member(event, "id"));
  EXPECT_TRUE(store_->values_.contains("shop||k"));
  ASSERT_TRUE(store_->values_.contains(key));

  bring(event);
  loop_.advance(milliseconds(999));
  EXPECT_THAT(broker_->published_, SizeIs(1));
  loop_.advance(milliseconds(1));
  ASSERT_THAT(broker_->published_, SizeIs(2));
  EXPECT_EQ(broker_->published_[1].first, "orders");
  EXPECT_EQ(member(broker_->published_[1].second, "topic"), "\"orders\"");
  EXPECT_EQ(member(broker_->published_[1].second, "pubsubname"), "\"bus\"");
  EXPECT_EQ(member(broker_->published_[1].second, "data"), R"({"a":1})");
  EXPECT_FALSE(store_->values_.contains(key));
  EXPECT_THAT(verdicts_, ElementsAre(pubsub::Verdict::kSuccess));
}

TEST_F(OutboxTest, AProjectionIsShownAndNotWritten) {
  ASSERT_TRUE(transact({set("k", "1"), set("k", "2", {{"outbox.projection", "true"}}), state::DeleteRequest{.key = "d"},
                        set("other", "3")}));
  ASSERT_THAT(broker_->published_, SizeIs(2));
  EXPECT_EQ(member(broker_->published_[0].second, "data"), "\"2\"");
  EXPECT_EQ(member(broker_->published_[1].second, "data"), "\"3\"");
  EXPECT_EQ(*store_->values_.at("shop||k"), "1");
  EXPECT_THAT(store_->values_, SizeIs(4));
}

TEST_F(OutboxTest, WithoutItsKeyAnEventIsTriedAgainOrDropped) {
  outbox_.start("shop");
  const std::string event = R"({"id":"outbox-1","datacontenttype":"text/plain","data":"x"})";
  bring(event);
  loop_.advance(milliseconds(8'900));
  EXPECT_THAT(verdicts_, IsEmpty());
  loop_.advance(milliseconds(200));
  EXPECT_THAT(verdicts_, ElementsAre(pubsub::Verdict::kRetry));
  bring(event);
  loop_.advance(milliseconds(5'000));
  store_->values_["outbox-1"] = share("0");
  loop_.advance(milliseconds(5'000));
  EXPECT_EQ(verdicts_.back(), pubsub::Verdict::kSuccess);
  EXPECT_THAT(broker_->published_, SizeIs(1));
  outbox_.set("store", Settings{"bus", "orders", "bus", true});
  bring(event);
  loop_.advance(milliseconds(10'000));
  EXPECT_EQ(verdicts_.back(), pubsub::Verdict::kSuccess);
  EXPECT_THAT(broker_->published_, SizeIs(1));
}

TEST_F(OutboxTest, WhatCannotBeSentIsNotWritten) {
  broker_->is_broken_ = true;
  const Result<void> failed = transact({set("k", "1")});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().reason, "ERR_PUBLISH_OUTBOX");
  EXPECT_EQ(failed.error().message, "error while publishing outbox message: no broker");
  EXPECT_THAT(store_->values_, IsEmpty());
  outbox_.set("store", Settings{"nobody", "orders", "nobody"});
  EXPECT_THAT(transact({set("k", "1")}).error().message, HasSubstr("pubsub 'nobody' not found"));
  store_->transactional_ = false;
  EXPECT_EQ(transact({set("k", "1")}).error().reason, "ERR_STATE_STORE_NOT_SUPPORTED");
}

TEST_F(OutboxTest, OfTwoStoresWithOneTopicTheOneWithTheKeyIsFound) {
  auto second = std::make_unique<FakeStore>();
  FakeStore* other = second.get();
  ASSERT_TRUE(state_.add({.name = "another", .store = std::move(second)}));
  outbox_.set("another", Settings{"bus", "orders", "bus"});
  outbox_.start("shop");
  outbox_.start("shop");
  for (FakeStore* store : {store_, other}) {
    store->values_["outbox-1"] = share("0");
    bring(R"({"id":"outbox-1","datacontenttype":"text/plain","data":"x"})");
    loop_.advance(milliseconds(1'000));
    EXPECT_THAT(store->values_, IsEmpty());
  }
  EXPECT_THAT(verdicts_, ElementsAre(pubsub::Verdict::kSuccess, pubsub::Verdict::kSuccess));
}

TEST_F(OutboxTest, TheStopGivesBackWhatWaits) {
  outbox_.start("shop");
  EXPECT_THAT(pubsub_.subscriptions("shop"), IsEmpty());
  bring(R"({"id":"outbox-1","datacontenttype":"text/plain","data":"x"})");
  outbox_.stop();
  EXPECT_THAT(verdicts_, ElementsAre(pubsub::Verdict::kRetry));
  loop_.advance(milliseconds(20'000));
  EXPECT_THAT(verdicts_, SizeIs(1));
}

TEST(SettingsTest, NeedAPubsubAndATopic) {
  const auto settings = [](std::vector<std::pair<std::string, std::string>> items) {
    config::Component component;
    for (auto& [name, value] : items) component.metadata.push_back({.name = name, .value = value});
    return Settings::of(component);
  };
  EXPECT_FALSE(settings({}));
  EXPECT_FALSE(settings({{"outboxPublishPubsub", "bus"}}));
  const auto both = settings({{"outboxPublishPubsub", "bus"}, {"outboxPublishTopic", "t"}});
  EXPECT_EQ(both->own_pubsub, "bus");
  EXPECT_FALSE(both->discard_when_missing_state);
  const auto all = settings({{"outboxPublishPubsub", "bus"},
                             {"outboxPublishTopic", "t"},
                             {"outboxPubsub", "own"},
                             {"outboxDiscardWhenMissingState", "True"}});
  EXPECT_EQ(all->own_pubsub, "own");
  EXPECT_TRUE(all->discard_when_missing_state);
}

TEST(GoTextTest, IsWhatGoPrints) {
  EXPECT_EQ(go_text("null"), "<nil>");
  EXPECT_EQ(go_text("true"), "true");
  EXPECT_EQ(go_text("5"), "5");
  EXPECT_EQ(go_text("1.5"), "1.5");
  EXPECT_EQ(go_text("-100000"), "-100000");
  EXPECT_EQ(go_text("100000000"), "1e+08");
  EXPECT_EQ(go_text("1234567"), "1.234567e+06");
  EXPECT_EQ(go_text("0.00001"), "1e-05");
  EXPECT_EQ(go_text("0.0001"), "0.0001");
  EXPECT_EQ(go_text(R"("a\"<b>")"), "a\"<b>");
  EXPECT_EQ(go_text(R"([1,"a",{"b":2}])"), "[1 a map[b:2]]");
  EXPECT_EQ(go_text(R"({"b":1,"a":"x","n":null,"e":{},"l":[]})"), "map[a:x b:1 e:map[] l:[] n:<nil>]");
}

}  // namespace
}  // namespace tandem::outbox
