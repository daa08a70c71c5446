#include "blocks/pubsub/pubsub_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/testing/test_loop.h"
#include "blocks/pubsub/json_text.h"
#include "blocks/pubsub/routing.h"

namespace tandem::pubsub {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Notes what is published and gives the test the handlers.
class FakeBroker final : public Broker {
 public:
  void publish(const CallContext&, PublishRequest request, Completion<void> done) override {
    published_.push_back(request);
    if (request.topic == broken_topic_) return done(fail(Code::kUnavailable, "down"));
    done({});
  }
  Result<std::unique_ptr<Subscription>> subscribe(std::string topic, std::string group, Metadata,
                                                  MessageHandler handler) override {
    groups_.push_back(group);
    handlers_[topic] = std::move(handler);
    struct Handle final : Subscription {
      explicit Handle(std::function<void()> end) : end_(std::move(end)) {}
      ~Handle() override { end_(); }
      std::function<void()> end_;
    };
    return std::make_unique<Handle>([this, topic] { handlers_.erase(topic); });
  }

  std::vector<PublishRequest> published_;
  std::map<std::string, MessageHandler> handlers_;
  std::vector<std::string> groups_;
  std::string broken_topic_;
};

class FakeSink final : public EventSink {
 public:
  void deliver(Delivery delivery, Completion<Verdict> done) override {
    deliveries_.push_back(std::move(delivery));
    done(answer_);
  }
  std::vector<Delivery> deliveries_;
  Result<Verdict> answer_ = Verdict::kSuccess;
};

class PubsubServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    broker_ =
        add("p", {}, parse_topic_scopes({{"publishingScopes", "limited=allowed"}, {"subscriptionScopes", "limited="}}));
  }
  FakeBroker* add(std::string name, std::vector<std::string> scopes, TopicScopes topic_scopes = {}) {
    auto broker = std::make_unique<FakeBroker>();
    FakeBroker* pointer = broker.get();
    EXPECT_TRUE(service_.add_broker({std::move(name), std::move(broker), std::move(scopes), std::move(topic_scopes)}));
    return pointer;
  }
  Result<void> publish(PublishCall call) {
    std::optional<Result<void>> result;
    service_.publish({context_, loop_}, std::move(call), [&](Result<void> r) { result = std::move(r); });
    loop_.run_ready();
    return *result;
  }
  static config::Subscription subscription(std::string topic, std::string route = "/orders") {
    config::Subscription s;
    s.pubsub_name = "p";
    s.topic = std::move(topic);
    s.default_path = std::move(route);
    return s;
  }
  Verdict deliver(const std::string& topic, const std::string& data, Metadata metadata = {}) {
    std::optional<Verdict> verdict;
    broker_->handlers_.at(topic)({.topic = topic, .data = share(data), .metadata = std::move(metadata)},
                                 [&](Result<Verdict> v) { verdict = *v; });
    return *verdict;
  }
  std::string member(const std::string& json, std::string_view name) {
    const std::vector<JsonMember> all = json_members(json).value();
    for (const JsonMember& m : all) {
      if (m.name == name) return std::string(m.value);
    }
    return {};
  }

  TestLoop loop_;
  CallContext context_{.app_id = "checkout"};
  FakeSink sink_;
  PubsubService service_;
  FakeBroker* broker_ = nullptr;
};

TEST_F(PubsubServiceTest, PublishWrapsIntoACloudEvent) {
  ASSERT_TRUE(publish({.pubsub = "p", .topic = "orders", .data = "{\"id\":1}", .content_type = "application/json"}));
  ASSERT_EQ(broker_->published_.size(), 1u);
  const PublishRequest& sent = broker_->published_[0];
  EXPECT_EQ(sent.topic, "orders");
  EXPECT_EQ(sent.content_type, "application/cloudevents+json");
  EXPECT_EQ(member(*sent.data, "data"), "{\"id\":1}");
  EXPECT_EQ(member(*sent.data, "source"), "\"checkout\"");
  EXPECT_EQ(member(*sent.data, "pubsubname"), "\"p\"");
  EXPECT_EQ(loop_.posted(), 0);
}

TEST_F(PubsubServiceTest, RawPayloadTravelsUntouched) {
  ASSERT_TRUE(publish(
      {.pubsub = "p", .topic = "t", .data = "bytes", .content_type = "x/y", .metadata = {{"rawPayload", "true"}}}));
  EXPECT_EQ(*broker_->published_[0].data, "bytes");
  EXPECT_EQ(broker_->published_[0].content_type, "x/y");
}

TEST_F(PubsubServiceTest, FailuresOfPublishAreDaprs) {
  add("theirs", {"other"});
  broker_->broken_topic_ = "broken";
  struct Case {
    PublishCall call;
    Code code;
    std::string reason;
    std::string message;
  };
  for (Case& c : std::vector<Case>{
           {{.pubsub = "", .topic = "t"}, Code::kInvalidArgument, "ERR_PUBSUB_EMPTY", "pubsub name is empty"},
           {{.pubsub = "no", .topic = "t"}, Code::kInvalidArgument, "ERR_PUBSUB_NOT_FOUND", "pubsub no is not found"},
           {{.pubsub = "theirs", .topic = "t"},
            Code::kInvalidArgument,
            "ERR_PUBSUB_NOT_FOUND",
            "pubsub theirs is not found"},
           {{.pubsub = "p", .topic = ""}, Code::kInvalidArgument, "ERR_TOPIC_NAME_EMPTY", "topic is empty in pubsub p"},
           {{.pubsub = "p", .topic = "t", .metadata = {{"rawPayload", "maybe"}}},
            Code::kInvalidArgument,
            "ERR_PUBSUB_REQUEST_METADATA",
            "failed deserializing metadata. Error: rawPayload value must be a valid boolean: actual is 'maybe'"},
           {{.pubsub = "p", .topic = "t", .data = "x", .content_type = "application/cloudevents+json"},
            Code::kInvalidArgument,
            "ERR_PUBSUB_CLOUD_EVENTS_SER",
            "cannot create cloudevent"},
           {{.pubsub = "p", .topic = "broken"},
            Code::kInternal,
            "ERR_PUBSUB_PUBLISH_MESSAGE",
            "error when publishing to topic broken in pubsub p: down"},
       }) {
    const Error error = publish(c.call).error();
    EXPECT_EQ(error.code, c.code) << c.reason;
    EXPECT_EQ(error.reason, c.reason);
    EXPECT_EQ(error.message, c.message);
  }
  context_.app_id = "limited";
  const Error forbidden = publish({.pubsub = "p", .topic = "t"}).error();
  EXPECT_EQ(forbidden.code, Code::kPermissionDenied);
  EXPECT_EQ(forbidden.reason, "ERR_PUBSUB_FORBIDDEN");
  EXPECT_EQ(forbidden.message, "topic t is not allowed for app id limited");
  EXPECT_TRUE(publish({.pubsub = "p", .topic = "allowed"}));
}

TEST_F(PubsubServiceTest, BulkPublishReportsTheEntriesThatFailed) {
  const auto bulk = [&](std::string topic, std::vector<BulkEntry> entries, Metadata metadata = {}) {
    std::optional<Result<std::vector<BulkPublishFailure>>> result;
    service_.publish_bulk({context_, loop_}, "p", std::move(topic), std::move(entries), std::move(metadata),
                          [&](Result<std::vector<BulkPublishFailure>> r) { result = std::move(r); });
    loop_.run_ready();
    return std::move(*result);
  };
  const std::vector<BulkEntry> two = {
      {.entry_id = "1", .data = "a", .content_type = "text/plain", .metadata = Metadata()},
      {.entry_id = "2", .data = "{}", .content_type = "application/json"}};
  EXPECT_THAT(*bulk("t", two, {{"ttlInSeconds", "60"}}), IsEmpty());
  ASSERT_EQ(broker_->published_.size(), 2u);
  EXPECT_EQ(member(*broker_->published_[0].data, "data"), "\"a\"");
  EXPECT_EQ(member(*broker_->published_[1].data, "data"), "{}");
  EXPECT_NE(member(*broker_->published_[0].data, "expiration"), "");
  EXPECT_EQ(member(*broker_->published_[1].data, "expiration"), "");  // says nothing of its own
  broker_->broken_topic_ = "broken";
  const auto failures = bulk("broken", two);
  ASSERT_EQ(failures->size(), 2u);
  EXPECT_EQ((*failures)[1].entry_id, "2");
  EXPECT_EQ((*failures)[1].error.message, "down");
  for (const std::vector<BulkEntry>& bad : {std::vector<BulkEntry>{{.entry_id = ""}}, {two[0], two[0]}}) {
    EXPECT_EQ(bulk("t", bad).error().reason, "ERR_PUBSUB_EVENTS_SER");
    EXPECT_EQ(
        bulk("t", bad).error().message,
        "error marshaling events to bytes for topic t pubsub p. error: entryId is duplicated or not present for entry");
  }
  EXPECT_THAT(*bulk("t", {}), IsEmpty());
}

TEST_F(PubsubServiceTest, DeliversTheEnvelopeItself) {
  ASSERT_TRUE(service_.subscribe("checkout", subscription("t"), sink_));
  EXPECT_THAT(broker_->groups_, ElementsAre("checkout"));
  const std::string envelope = R"({"id":"1","traceparent":"tp","tracestate":"ts","data":{"x":1}})";
  EXPECT_EQ(deliver("t", envelope, {{"k", "v"}}), Verdict::kSuccess);
  ASSERT_EQ(sink_.deliveries_.size(), 1u);
  const Delivery& delivery = sink_.deliveries_[0];
  EXPECT_EQ(*delivery.body, envelope);
  EXPECT_EQ(delivery.route, "/orders");
  EXPECT_EQ(delivery.topic, "t");
  EXPECT_EQ(delivery.pubsub, "p");
  EXPECT_EQ(delivery.content_type, "application/cloudevents+json");
  EXPECT_EQ(delivery.trace.traceparent, "tp");
  EXPECT_EQ(delivery.trace.tracestate, "ts");
  EXPECT_EQ(delivery.metadata.at("k"), "v");
  EXPECT_EQ(delivery.metadata.at("pubsubName"), "p");
}

TEST_F(PubsubServiceTest, RawSubscriptionsGetAnEnvelopeAroundTheBytes) {
  config::Subscription raw = subscription("t");
  raw.metadata = {{"rawPayload", "true"}};
  ASSERT_TRUE(service_.subscribe("checkout", raw, sink_));
  EXPECT_EQ(deliver("t", "bytes"), Verdict::kSuccess);
  EXPECT_EQ(member(*sink_.deliveries_[0].body, "data_base64"), "\"Ynl0ZXM=\"");
}

TEST_F(PubsubServiceTest, VerdictsReachTheBroker) {
  ASSERT_TRUE(service_.subscribe("checkout", subscription("t"), sink_));
  for (const Verdict verdict : {Verdict::kSuccess, Verdict::kRetry, Verdict::kDrop}) {
    sink_.answer_ = verdict;
    EXPECT_EQ(deliver("t", "{}"), verdict);
  }
  sink_.answer_ = fail(Code::kUnavailable, "the app is not there");
  EXPECT_EQ(deliver("t", "{}"), Verdict::kRetry);
  EXPECT_THAT(broker_->published_, IsEmpty());
}

TEST_F(PubsubServiceTest, TheDeadLetterTopicGetsWhatTheAppDoesNotTake) {
  config::Subscription with_dead_letters = subscription("t");
  with_dead_letters.dead_letter_topic = "dead";
  ASSERT_TRUE(service_.subscribe("checkout", with_dead_letters, sink_));
  for (const Result<Verdict>& answer : {Result<Verdict>(Verdict::kDrop), Result<Verdict>(Verdict::kRetry),
                                        Result<Verdict>(fail(Code::kUnavailable, "no app"))}) {
    sink_.answer_ = answer;
    broker_->published_.clear();
    EXPECT_EQ(deliver("t", "{\"id\":\"7\"}"), Verdict::kSuccess);
    ASSERT_EQ(broker_->published_.size(), 1u);
    EXPECT_EQ(broker_->published_[0].topic, "dead");
    EXPECT_EQ(*broker_->published_[0].data, "{\"id\":\"7\"}");
  }
  broker_->broken_topic_ = "dead";
  EXPECT_EQ(deliver("t", "{}"), Verdict::kRetry);
  broker_->broken_topic_.clear();
  broker_->published_.clear();
  sink_.answer_ = fail(Code::kCancelled, "shutting down");
  EXPECT_EQ(deliver("t", "{}"), Verdict::kRetry);
  EXPECT_THAT(broker_->published_, IsEmpty());
}

TEST_F(PubsubServiceTest, ExpiredAndBrokenMessagesAreNotDelivered) {
  ASSERT_TRUE(service_.subscribe("checkout", subscription("t"), sink_));
  EXPECT_EQ(deliver("t", R"({"id":"1","expiration":"2001-01-01T00:00:00Z"})"), Verdict::kDrop);
  EXPECT_EQ(deliver("t", "not json"), Verdict::kDrop);
  EXPECT_EQ(deliver("t", "[1]"), Verdict::kDrop);
  EXPECT_THAT(sink_.deliveries_, IsEmpty());
  EXPECT_EQ(deliver("t", R"({"id":"1","expiration":"2200-01-01T00:00:00Z"})"), Verdict::kSuccess);

  config::Subscription with_dead_letters = subscription("u");
  with_dead_letters.dead_letter_topic = "dead";
  ASSERT_TRUE(service_.subscribe("checkout", with_dead_letters, sink_));
  EXPECT_EQ(deliver("u", "not json"), Verdict::kSuccess);
  EXPECT_EQ(*broker_->published_.back().data, "not json");
}

TEST_F(PubsubServiceTest, SubscriptionsThatCannotWorkAreRefusedByName) {
  const auto error = [&](config::Subscription s) {
    return service_.subscribe("checkout", std::move(s), sink_).error();
  };
  config::Subscription rules = subscription("t");
  rules.rules = {{.match = "event.type == \"x\"", .path = "/x"}};
  EXPECT_EQ(error(rules).code, Code::kFailedPrecondition);
  EXPECT_THAT(error(rules).message, HasSubstr("event.type == \"x\""));
  EXPECT_THAT(error(rules).message, HasSubstr("topic t of pubsub p"));
  config::Subscription bulk = subscription("t");
  bulk.bulk.enabled = true;
  EXPECT_EQ(error(bulk).code, Code::kFailedPrecondition);  // this service has no clock
  EXPECT_THAT(error(subscription("t", "")).message, HasSubstr("has no route"));
  EXPECT_EQ(error(subscription("")).reason, "ERR_TOPIC_NAME_EMPTY");
  config::Subscription raw = subscription("t");
  raw.metadata = {{"rawPayload", "maybe"}};
  EXPECT_EQ(error(raw).code, Code::kInvalidArgument);
  config::Subscription unknown = subscription("t");
  unknown.pubsub_name = "no";
  EXPECT_EQ(error(unknown).code, Code::kNotFound);
  EXPECT_EQ(service_.subscribe("limited", subscription("t"), sink_).error().message,
            "subscription to topic 't' on pubsub 'p' is not allowed");
  ASSERT_TRUE(service_.subscribe("checkout", subscription("t"), sink_));
  EXPECT_EQ(error(subscription("t", "/again")).code, Code::kAlreadyExists);
}

TEST(PubsubServiceBulkTest, WhatASubscriptionAsksForInBulkComesSo) {
  struct BulkSink final : EventSink {
    void deliver(Delivery, Completion<Verdict> done) override { done(fail(Code::kUnknown, "not one by one")); }
    void deliver_bulk(BulkDelivery delivery, Completion<std::vector<Verdict>> done) override {
      sizes_.push_back(delivery.items.size());
      done(std::vector(delivery.items.size(), Verdict::kSuccess));
    }
    std::vector<std::size_t> sizes_;
  };
  TestLoop loop;
  BulkSink sink;
  PubsubService service(nullptr, &loop);
  auto owned = std::make_unique<FakeBroker>();
  FakeBroker& broker = *owned;
  ASSERT_TRUE(service.add_broker({.name = "p", .broker = std::move(owned)}));
  config::Subscription wanted;
  wanted.pubsub_name = "p";
  wanted.topic = "t";
  wanted.default_path = "/t";
  wanted.bulk = {.enabled = true, .max_messages_count = 2};
  ASSERT_TRUE(service.subscribe("app", wanted, sink));
  int taken = 0;
  for (int i = 0; i < 3; ++i) {
    broker.handlers_["t"]({.topic = "t", .data = share(R"({"id":"1"})")},
                          [&](Result<Verdict> verdict) { taken += verdict == Verdict::kSuccess; });
  }
  EXPECT_THAT(sink.sizes_, ElementsAre(2u));
  EXPECT_EQ(taken, 2);
  // What waits goes when the subscription ends.
  service.stop_subscriptions();
  EXPECT_THAT(sink.sizes_, ElementsAre(2u, 1u));
  EXPECT_EQ(taken, 3);
}

TEST_F(PubsubServiceTest, ARuleWithoutMatchIsARoute) {
  config::Subscription s = subscription("t", "/default");
  s.rules = {{.match = "", .path = "/first"}};
  ASSERT_TRUE(service_.subscribe("checkout", s, sink_));
  deliver("t", "{}");
  EXPECT_EQ(sink_.deliveries_[0].route, "/first");
}

// A rule matches what contains it; "fails" fails.
class ContainsRules final : public RuleSet {
 public:
  explicit ContainsRules(std::span<const std::string_view> rules) : rules_(rules.begin(), rules.end()) {}
  Result<std::optional<std::size_t>> find(std::string_view event, EventForm) const override {
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      if (rules_[i] == "fails") return fail(Code::kInternal, "it failed");
      if (event.find(rules_[i]) != std::string_view::npos) return i;
    }
    return std::nullopt;
  }

 private:
  const std::vector<std::string> rules_;
};

class ContainsCompiler final : public RuleCompiler {
 public:
  Result<std::unique_ptr<const RuleSet>> compile(std::span<const std::string_view> rules) const override {
    return std::make_unique<const ContainsRules>(rules);
  }
};

TEST_F(PubsubServiceTest, RulesDecideWhereAnEventGoes) {
  const ContainsCompiler compiler;
  PubsubService service(nullptr, nullptr, nullptr, &compiler);
  auto broker = std::make_unique<FakeBroker>();
  broker_ = broker.get();
  ASSERT_TRUE(service.add_broker({"p", std::move(broker), {}, {}}));
  config::Subscription s = subscription("t", "/default");
  s.rules = {{.match = "gadget", .path = "/gadgets"}};
  ASSERT_TRUE(service.subscribe("checkout", s, sink_));
  s.topic = "closed";
  s.default_path.clear();
  s.rules.push_back({.match = "fails", .path = "/never"});
  ASSERT_TRUE(service.subscribe("checkout", s, sink_));
  s.topic = "strict";
  s.rules.pop_back();
  ASSERT_TRUE(service.subscribe("checkout", s, sink_));

  EXPECT_EQ(deliver("t", R"({"type":"gadget"})"), Verdict::kSuccess);
  EXPECT_EQ(deliver("t", R"({"type":"other"})"), Verdict::kSuccess);
  ASSERT_EQ(sink_.deliveries_.size(), 2u);
  EXPECT_EQ(sink_.deliveries_[0].route, "/gadgets");
  EXPECT_EQ(sink_.deliveries_[1].route, "/default");
  // A rule that cannot be evaluated: again later. What no rule is about: never.
  EXPECT_EQ(deliver("closed", R"({"type":"other"})"), Verdict::kRetry);
  EXPECT_EQ(deliver("strict", R"({"type":"other"})"), Verdict::kDrop);
  EXPECT_EQ(sink_.deliveries_.size(), 2u);
  EXPECT_THAT(broker_->published_, IsEmpty());

  s.topic = "dead";
  s.dead_letter_topic = "letters";
  ASSERT_TRUE(service.subscribe("checkout", s, sink_));
  EXPECT_EQ(deliver("dead", R"({"type":"other"})"), Verdict::kSuccess);
  ASSERT_EQ(broker_->published_.size(), 1u);
  EXPECT_EQ(broker_->published_[0].topic, "letters");
}

TEST_F(PubsubServiceTest, RulesSeeTheEnvelopeAroundRawBytes) {
  const ContainsCompiler compiler;
  PubsubService service(nullptr, nullptr, nullptr, &compiler);
  auto broker = std::make_unique<FakeBroker>();
  broker_ = broker.get();
  ASSERT_TRUE(service.add_broker({"p", std::move(broker), {}, {}}));
  config::Subscription s = subscription("t", "/default");
  s.metadata = {{"rawPayload", "true"}};
  s.rules = {{.match = "data_base64", .path = "/raw"}};
  ASSERT_TRUE(service.subscribe("checkout", s, sink_));
  EXPECT_EQ(deliver("t", "bytes"), Verdict::kSuccess);
  EXPECT_EQ(sink_.deliveries_[0].route, "/raw");
}

TEST_F(PubsubServiceTest, StoppingEndsTheSubscriptions) {
  ASSERT_TRUE(service_.subscribe("checkout", subscription("t"), sink_));
  EXPECT_EQ(service_.subscriptions("checkout").size(), 1u);
  EXPECT_EQ(service_.subscriptions("other").size(), 0u);
  service_.stop_subscriptions();
  EXPECT_THAT(broker_->handlers_, IsEmpty());
  EXPECT_EQ(service_.subscriptions("checkout").size(), 0u);
}

TEST(VerdictOfResponseTest, FollowsDapr) {
  const auto verdict = [](int status, std::string_view body) { return verdict_of_response(status, body).verdict; };
  EXPECT_EQ(verdict(200, ""), Verdict::kSuccess);
  EXPECT_EQ(verdict(204, ""), Verdict::kSuccess);
  EXPECT_EQ(verdict(200, "ok"), Verdict::kSuccess);
  EXPECT_EQ(verdict(200, "[]"), Verdict::kSuccess);
  EXPECT_EQ(verdict(200, "{}"), Verdict::kSuccess);
  EXPECT_EQ(verdict(200, R"({"status":""})"), Verdict::kSuccess);
  EXPECT_EQ(verdict(200, R"({"status":"SUCCESS"})"), Verdict::kSuccess);
  EXPECT_EQ(verdict(200, R"({"status":7})"), Verdict::kSuccess);
  EXPECT_EQ(verdict(201, R"({"status":"RETRY"})"), Verdict::kRetry);
  EXPECT_EQ(verdict(200, R"({"Status":"DROP"})"), Verdict::kDrop);
  EXPECT_EQ(verdict(200, R"({"status":"success"})"), Verdict::kRetry);
  EXPECT_EQ(verdict(404, ""), Verdict::kDrop);
  for (const int status : {100, 301, 400, 403, 500, 503}) EXPECT_EQ(verdict(status, ""), Verdict::kRetry) << status;
  EXPECT_EQ(verdict_of_response(200, "").note, "");
  EXPECT_THAT(verdict_of_response(404, "gone").note, HasSubstr("gone"));
  EXPECT_THAT(verdict_of_response(500, "boom").note, HasSubstr("boom"));
}

TEST_F(PubsubServiceTest, SubscriptionsGoOnWithABrokerThatTakesThePlaceOfTheirs) {
  ASSERT_TRUE(service_.subscribe("checkout", subscription("orders"), sink_));
  ASSERT_TRUE(service_.subscribe("checkout", subscription("secret"), sink_));
  FakeBroker* const before = broker_;
  auto fresh = std::make_unique<FakeBroker>();
  broker_ = fresh.get();
  ASSERT_TRUE(service_.put_broker(
      {.name = "p", .broker = std::move(fresh), .topic_scopes = parse_topic_scopes({{"protectedTopics", "secret"}})}));
  EXPECT_THAT(before->handlers_, IsEmpty());
  EXPECT_EQ(deliver("orders", R"({"id":"1","specversion":"1.0","source":"s","type":"t","data":1})"), Verdict::kSuccess);
  EXPECT_EQ(broker_->handlers_.size(), 1u) << "the other topic is out of the new scopes";
  ASSERT_TRUE(publish({.pubsub = "p", .topic = "orders", .data = "1"}));
  EXPECT_EQ(broker_->published_.size(), 1u);
  EXPECT_THAT(before->published_, IsEmpty());
  EXPECT_FALSE(service_.sweep(SteadyTime::max()));

  service_.unsubscribe("checkout", "p", "orders");
  EXPECT_THAT(broker_->handlers_, IsEmpty());
  service_.remove_broker("p");
  EXPECT_EQ(publish({.pubsub = "p", .topic = "orders", .data = "1"}).error().reason, "ERR_PUBSUB_NOT_FOUND");
}

TEST_F(PubsubServiceTest, ABrokerWaitsForItsDeliveriesToEnd) {
  struct Waiting final : EventSink {
    void deliver(Delivery, Completion<Verdict> done) override { waiting = std::move(done); }
    Completion<Verdict> waiting;
  } slow;
  ASSERT_TRUE(service_.subscribe("checkout", subscription("orders"), slow));
  std::optional<Verdict> verdict;
  broker_->handlers_.at("orders")(
      {.topic = "orders", .data = share(R"({"id":"1","specversion":"1.0","source":"s","type":"t","data":1})")},
      [&](Result<Verdict> v) { verdict = *v; });
  service_.remove_broker("p");
  EXPECT_TRUE(service_.sweep(SteadyTime::max()));
  std::exchange(slow.waiting, nullptr)(Verdict::kSuccess);
  EXPECT_EQ(verdict, Verdict::kSuccess);
  EXPECT_FALSE(service_.sweep(SteadyTime::max()));
}

TEST_F(PubsubServiceTest, ABrokerThatCannotSubscribeTakesNoPlace) {
  struct Broken final : Broker {
    void publish(const CallContext&, PublishRequest, Completion<void> done) override { done({}); }
    Result<std::unique_ptr<Subscription>> subscribe(std::string, std::string, Metadata, MessageHandler) override {
      return fail(Code::kUnavailable, "down");
    }
  };
  ASSERT_TRUE(service_.subscribe("checkout", subscription("orders"), sink_));
  EXPECT_FALSE(service_.put_broker({.name = "p", .broker = std::make_unique<Broken>()}));
  EXPECT_EQ(broker_->handlers_.size(), 1u);
  ASSERT_TRUE(publish({.pubsub = "p", .topic = "orders", .data = "1"}));
  EXPECT_EQ(broker_->published_.size(), 1u);
}

}  // namespace
}  // namespace tandem::pubsub
