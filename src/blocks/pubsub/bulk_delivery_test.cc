#include "blocks/pubsub/bulk_delivery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/testing/test_loop.h"

namespace tandem::pubsub {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class FakeBroker final : public Broker {
 public:
  void publish(const CallContext&, PublishRequest request, Completion<void> done) override {
    published_.push_back(request.topic + ": " + *request.data);
    done({});
  }
  Result<std::unique_ptr<Subscription>> subscribe(std::string, std::string, Metadata, MessageHandler) override {
    return fail(Code::kUnimplemented, "not in this test");
  }
  std::vector<std::string> published_;
};

class FakeSink final : public EventSink {
 public:
  void deliver(Delivery, Completion<Verdict> done) override { done(fail(Code::kUnknown, "not one by one")); }
  void deliver_bulk(BulkDelivery delivery, Completion<std::vector<Verdict>> done) override {
    deliveries_.push_back(std::move(delivery));
    done(answer_);
  }
  std::vector<BulkDelivery> deliveries_;
  Result<std::vector<Verdict>> answer_;
};

class BulkDeliveringTest : public testing::Test {
 protected:
  std::shared_ptr<BulkDelivering> make(config::BulkSubscribe wanted, bool raw = false,
                                       const std::string& dead_letters = "") {
    return std::make_shared<BulkDelivering>(
        std::make_shared<const Delivering>(Delivering{.app_id = "app",
                                                      .pubsub = "bus",
                                                      .routes = Routes::to("/bulk"),
                                                      .dead_letter_topic = dead_letters,
                                                      .raw_payload = raw,
                                                      .broker = broker_,
                                                      .sink = sink_}),
        wanted, loop_);
  }
  void add(BulkDelivering& bulk, const std::string& data) {
    bulk.add({.topic = "t", .data = share(data), .metadata = {{"key", data}}}, [this, data](Result<Verdict> verdict) {
      ends_[data] = !verdict                        ? "error"
                    : *verdict == Verdict::kSuccess ? "success"
                    : *verdict == Verdict::kRetry   ? "retry"
                                                    : "drop";
    });
  }
  std::vector<std::size_t> sizes() const {
    std::vector<std::size_t> all;
    for (const BulkDelivery& one : sink_.deliveries_) all.push_back(one.items.size());
    return all;
  }

  TestLoop loop_;
  FakeBroker broker_;
  FakeSink sink_;
  std::map<std::string, std::string> ends_;
};

const std::string kOne = R"({"id":"1"})";
const std::string kTwo = R"({"id":"2"})";
const std::string kThree = R"({"id":"3"})";

TEST_F(BulkDeliveringTest, EnoughOfThemGoAtOnceAndTheRestInTime) {
  sink_.answer_ = {Verdict::kSuccess, Verdict::kSuccess};
  const auto bulk = make({.enabled = true, .max_messages_count = 2, .max_await_duration_ms = 50});
  add(*bulk, kOne);
  EXPECT_THAT(sizes(), IsEmpty());
  add(*bulk, kTwo);
  EXPECT_THAT(sizes(), ElementsAre(2u));
  loop_.advance(milliseconds(30));
  add(*bulk, kThree);
  // The time of the first batch is not the second one's.
  loop_.advance(milliseconds(40));
  EXPECT_THAT(sizes(), ElementsAre(2u));
  loop_.advance(milliseconds(10));
  EXPECT_THAT(sizes(), ElementsAre(2u, 1u));
  EXPECT_EQ(ends_.size(), 3u);
}

// A rule is a character that an event has.
class OneOf final : public RuleSet {
 public:
  Result<std::optional<std::size_t>> find(std::string_view event, EventForm form) const override {
    if (form != EventForm::kJson) return fail(Code::kInternal, "no JSON");
    const std::size_t place = std::string_view("123").find(event.at(event.size() - 3));
    return place == std::string_view::npos ? std::nullopt : std::optional(place);
  }
};

class OneOfCompiler final : public RuleCompiler {
 public:
  Result<std::unique_ptr<const RuleSet>> compile(std::span<const std::string_view>) const override {
    return std::make_unique<const OneOf>();
  }
};

TEST_F(BulkDeliveringTest, EachRouteHasABulkOfItsOwn) {
  config::Subscription subscription;
  subscription.rules = {{"1", "/odd"}, {"2", "/even"}, {"3", "/odd"}};
  const OneOfCompiler compiler;
  const auto bulk = std::make_shared<BulkDelivering>(
      std::make_shared<const Delivering>(Delivering{.app_id = "app",
                                                    .pubsub = "bus",
                                                    .routes = Routes::make(subscription, &compiler).value(),
                                                    .dead_letter_topic = "",
                                                    .broker = broker_,
                                                    .sink = sink_}),
      config::BulkSubscribe{.enabled = true, .max_messages_count = 3}, loop_);
  sink_.answer_ = {Verdict::kSuccess, Verdict::kSuccess};
  add(*bulk, kOne);
  add(*bulk, R"({"id":"4"})");
  add(*bulk, kTwo);
  add(*bulk, kThree);
  ASSERT_THAT(sizes(), ElementsAre(2u, 1u));
  EXPECT_EQ(sink_.deliveries_[0].route, "/odd");
  EXPECT_EQ(sink_.deliveries_[1].route, "/even");
  EXPECT_EQ(ends_[kOne], "success");
  EXPECT_EQ(ends_[R"({"id":"4"})"], "drop");
}

TEST_F(BulkDeliveringTest, NumbersThatAreNoneAreDaprds) {
  const auto bulk = make({.enabled = true});
  for (int i = 0; i < 99; ++i) add(*bulk, kOne);
  loop_.advance(milliseconds(999));
  EXPECT_THAT(sizes(), IsEmpty());
  add(*bulk, kOne);
  EXPECT_THAT(sizes(), ElementsAre(100u));
  add(*bulk, kOne);
  loop_.advance(milliseconds(1000));
  EXPECT_THAT(sizes(), ElementsAre(100u, 1u));
}

TEST_F(BulkDeliveringTest, ManyBytesAreEnough) {
  const auto bulk = make({.enabled = true}, true);
  add(*bulk, std::string(BulkDelivering::kEnoughBytes - 1, 'x'));
  EXPECT_THAT(sizes(), IsEmpty());
  add(*bulk, "x");
  EXPECT_THAT(sizes(), ElementsAre(2u));
}

TEST_F(BulkDeliveringTest, EachIsSettledByItsOwnVerdict) {
  sink_.answer_ = {Verdict::kSuccess, Verdict::kRetry, Verdict::kDrop};
  const auto plain = make({.enabled = true, .max_messages_count = 3});
  for (const std::string& data : {kOne, kTwo, kThree}) add(*plain, data);
  EXPECT_EQ(ends_[kOne], "success");
  EXPECT_EQ(ends_[kTwo], "retry");
  EXPECT_EQ(ends_[kThree], "drop");
  EXPECT_THAT(broker_.published_, IsEmpty());

  const auto buried = make({.enabled = true, .max_messages_count = 3}, false, "dead");
  for (const std::string& data : {kOne, kTwo, kThree}) add(*buried, data);
  EXPECT_EQ(ends_[kTwo], "success");
  EXPECT_EQ(ends_[kThree], "success");
  EXPECT_THAT(broker_.published_, ElementsAre("dead: " + kTwo, "dead: " + kThree));
}

TEST_F(BulkDeliveringTest, AFailureIsOfAllAndAMissingVerdictIsARetry) {
  const auto bulk = make({.enabled = true, .max_messages_count = 2});
  sink_.answer_ = {Verdict::kSuccess};
  add(*bulk, kOne);
  add(*bulk, kTwo);
  EXPECT_EQ(ends_[kOne], "success");
  EXPECT_EQ(ends_[kTwo], "retry");
  const auto leaving = make({.enabled = true, .max_messages_count = 2}, false, "dead");
  sink_.answer_ = fail(Code::kCancelled, "the app is going away");
  add(*leaving, kOne);
  add(*leaving, kTwo);
  EXPECT_EQ(ends_[kOne], "retry");
  EXPECT_THAT(broker_.published_, IsEmpty());
}

TEST_F(BulkDeliveringTest, WhatIsNoEventIsNotSent) {
  const auto bulk = make({.enabled = true, .max_messages_count = 2}, false, "dead");
  add(*bulk, "no JSON");
  add(*bulk, R"({"id":"1","expiration":"2001-01-01T00:00:00Z"})");
  EXPECT_THAT(broker_.published_, ElementsAre("dead: no JSON", HasSubstr("2001")));
  EXPECT_EQ(ends_["no JSON"], "success");
  EXPECT_THAT(sizes(), IsEmpty());
}

TEST_F(BulkDeliveringTest, WhatWaitsGoesAtTheEnd) {
  sink_.answer_ = {Verdict::kSuccess};
  auto bulk = make({.enabled = true});
  add(*bulk, kOne);
  bulk->flush();
  EXPECT_THAT(sizes(), ElementsAre(1u));
  bulk.reset();
  loop_.advance(milliseconds(2000));
  EXPECT_THAT(sizes(), ElementsAre(1u));
}

TEST_F(BulkDeliveringTest, TheJsonIsDaprds) {
  sink_.answer_ = {Verdict::kSuccess};
  const auto bulk = make({.enabled = true, .max_messages_count = 1});
  add(*bulk, kOne);
  const BulkDelivery& sent = sink_.deliveries_.at(0);
  EXPECT_EQ(sent.route, "/bulk");
  EXPECT_EQ(bulk_json(sent), R"({"entries":[{"entryId":")" + sent.items[0].entry_id +
                                 R"(","event":{"id":"1"},"metadata":{"key":"{\"id\":\"1\"}"},)"
                                 R"("contentType":"application/cloudevents+json"}],"id":")" +
                                 sent.id +
                                 R"(","metadata":{"pubsubName":"bus"},"pubsubname":"bus","topic":"t",)"
                                 R"("type":"com.dapr.event.sent.bulk"})");
  const auto raw = make({.enabled = true, .max_messages_count = 1}, true);
  add(*raw, "bytes");
  const std::string json = bulk_json(sink_.deliveries_.at(1));
  EXPECT_THAT(json, HasSubstr(R"("event":"Ynl0ZXM=")"));
  EXPECT_THAT(json, HasSubstr(R"("contentType":"application/octet-stream")"));
}

TEST(VerdictsOfBulkResponseTest, FollowDapr) {
  const std::vector<BulkItem> items = {{.entry_id = "a"}, {.entry_id = "b"}};
  const auto verdicts = [&](int status, std::string_view body) {
    std::string all;
    for (const Verdict verdict : verdicts_of_bulk_response(status, body, items)) {
      all += verdict == Verdict::kSuccess ? 's' : verdict == Verdict::kRetry ? 'r' : 'd';
    }
    return all;
  };
  EXPECT_EQ(verdicts(200, R"({"statuses":[{"entryId":"b","status":"SUCCESS"},{"entryId":"a","status":"DROP"}]})"),
            "ds");
  EXPECT_EQ(verdicts(200, R"({"Statuses":[{"EntryId":"a","Status":"SUCCESS"}]})"), "sr");
  EXPECT_EQ(verdicts(201, R"({"statuses":[{"entryId":"a","status":"RETRY"},{"entryId":"b","status":""}]})"), "rr");
  EXPECT_EQ(verdicts(200, R"({"statuses":[{"entryId":"a","status":"success"},{"entryId":"x","status":"DROP"}]})"),
            "rr");
  for (const char* body : {"", "ok", "[]", "{}", R"({"statuses":null})", R"({"statuses":[7]})", R"({"statuses":{}})",
                           R"({"statuses":[{"entryId":7}]})"}) {
    EXPECT_EQ(verdicts(200, body), "rr") << body;
  }
  EXPECT_EQ(verdicts(404, R"({"statuses":[{"entryId":"a","status":"SUCCESS"}]})"), "dd");
  EXPECT_EQ(verdicts(500, R"({"statuses":[{"entryId":"a","status":"SUCCESS"}]})"), "rr");
}

}  // namespace
}  // namespace tandem::pubsub
