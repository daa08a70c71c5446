// Time-outs, retries and breakers around a store, on a clock of the test's own.

#include "policy/resilient_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <vector>

#include "policy/event_policies.h"
#include "policy/resilient_broker.h"
#include "policy/testing/policies_on_a_clock.h"

namespace tandem::policy {
namespace {

using namespace std::chrono_literals;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::Not;

constexpr std::string_view kSpec = R"(  policies:
    timeouts: {quick: 500ms}
    retries:
      twice: {duration: 100ms, maxRetries: 2}
      ever: {duration: 0s}
      slowly: {duration: 1h}
    circuitBreakers:
      cb: {timeout: 3s, trip: consecutiveFailures > 2}
  targets:
    components:
      slow: {outbound: {timeout: quick, retry: twice}}
      broken: {outbound: {circuitBreaker: cb}}
      both: {outbound: {retry: twice, circuitBreaker: cb}}
      ever: {outbound: {retry: ever}}
      slowly: {outbound: {retry: slowly}}
      pub: {inbound: {retry: twice}, outbound: {retry: twice}}
)";

// Answers when the test says so.
class WaitingStore final : public state::Store {
 public:
  state::Features features() const override { return {.etag = true}; }
  void ping(const CallContext&, Completion<void> done) override { done({}); }
  void get(const CallContext& context, const state::GetRequest& request, Completion<state::GetResponse> done) override {
    keys.emplace_back(request.key);
    deadlines.push_back(context.deadline);
    gets.push_back(std::move(done));
  }
  void set(const CallContext&, state::SetRequest request, Completion<void> done) override {
    keys.push_back(request.key);
    if (outcomes.empty()) return done({});
    Status outcome = std::move(outcomes.front());
    outcomes.pop_front();
    done(std::move(outcome));
  }
  void remove(const CallContext&, state::DeleteRequest, Completion<void> done) override { done({}); }

  std::vector<std::string> keys;
  std::vector<SteadyTime> deadlines;
  std::deque<Completion<state::GetResponse>> gets;
  std::deque<Status> outcomes;
};

class ResilientStoreTest : public testing::Test {
 protected:
  state::Store& store(const std::string& name) {
    AppProtections protections;
    protections.add("caller", policies_.resilience().component(name, config::TargetKind::kStateStore,
                                                               config::Direction::kOutbound));
    EXPECT_FALSE(protections.empty());
    auto waiting = std::make_unique<WaitingStore>();
    behind_ = waiting.get();
    store_ = std::make_unique<ResilientStore>(std::move(waiting), std::move(protections));
    return *store_;
  }
  void get(state::Store& store) {
    std::string key = "k";
    store.get(context_, {.key = key},
              [this](Result<state::GetResponse> got) { said_.push_back(got ? "value" : got.error().message); });
    key = "gone";
  }
  void set(state::Store& store) {
    store.set(context_, {.key = "k"},
              [this](Status status) { said_.push_back(status ? "written" : status.error().message); });
  }
  void answer(Result<state::GetResponse> result) {
    auto done = std::move(behind_->gets.front());
    behind_->gets.pop_front();
    done(std::move(result));
  }

  PoliciesOnAClock policies_{kSpec};
  TestLoop& loop_ = policies_.loop();
  CallContext context_{.app_id = "caller"};
  WaitingStore* behind_ = nullptr;
  std::unique_ptr<ResilientStore> store_;
  std::vector<std::string> said_;
};

TEST_F(ResilientStoreTest, AnAnswerInTimeIsTheCallers) {
  get(store("slow"));
  loop_.advance(400ms);
  answer(state::GetResponse{});
  EXPECT_THAT(said_, ElementsAre("value"));
  loop_.advance(10s);
  EXPECT_THAT(said_, ElementsAre("value"));
  EXPECT_EQ(behind_->keys.size(), 1U);
}

TEST_F(ResilientStoreTest, EachAttemptHasItsTimeAndALateAnswerIsNobodys) {
  get(store("slow"));
  loop_.advance(500ms);
  EXPECT_TRUE(said_.empty());
  loop_.advance(100ms);
  ASSERT_EQ(behind_->gets.size(), 2U);
  answer(state::GetResponse{});  // of the first attempt
  EXPECT_TRUE(said_.empty());
  loop_.advance(600ms);
  loop_.advance(499ms);
  EXPECT_TRUE(said_.empty());
  loop_.advance(1ms);
  EXPECT_THAT(said_, ElementsAre("context deadline exceeded"));
  EXPECT_THAT(behind_->keys, ElementsAre("k", "k", "k"));
  EXPECT_THAT(policies_.metrics(), ContainsRegex("dapr_resiliency_activations_total\\{[^}]*policy=\"timeout\"[^}]*"
                                                 "target=\"Statestore_slow\"[^}]*\\} 1"));
  EXPECT_THAT(policies_.metrics(), ContainsRegex("dapr_resiliency_activations_total\\{[^}]*policy=\"retry\"[^}]*"
                                                 "target=\"Statestore_slow\"[^}]*\\} 1"));
}

TEST_F(ResilientStoreTest, TheLastFailureIsTheCallers) {
  state::Store& one = store("slow");
  behind_->outcomes = {fail(Code::kInternal, "first"), fail(Code::kInternal, "second"), fail(Code::kInternal, "third")};
  set(one);
  EXPECT_TRUE(said_.empty());
  loop_.advance(200ms);
  EXPECT_THAT(said_, ElementsAre("third"));
  behind_->outcomes = {fail(Code::kInternal, "first")};
  set(one);
  loop_.advance(100ms);
  EXPECT_EQ(said_.back(), "written");
}

TEST_F(ResilientStoreTest, NothingIsTriedAfterTheCallersDeadline) {
  state::Store& one = store("slow");
  context_.deadline = SteadyTime(1h + 150ms);
  behind_->outcomes = {fail(Code::kInternal, "first"), fail(Code::kInternal, "second")};
  set(one);
  loop_.advance(1s);
  EXPECT_THAT(said_, ElementsAre("second"));
}

TEST_F(ResilientStoreTest, AnEtagThatDoesNotMatchIsNotTriedAgain) {
  state::Store& one = store("slow");
  behind_->outcomes = {fail(state::etag_mismatch(""))};
  set(one);
  EXPECT_EQ(said_.size(), 1U);
  EXPECT_EQ(behind_->keys.size(), 1U);
}

TEST_F(ResilientStoreTest, AnOpenBreakerAsksNobody) {
  state::Store& one = store("broken");
  for (int i = 0; i < 3; ++i) behind_->outcomes.push_back(fail(Code::kInternal, "no"));
  for (int i = 0; i < 4; ++i) set(one);
  EXPECT_THAT(said_, ElementsAre("no", "no", "no", "circuit breaker is open"));
  EXPECT_EQ(behind_->keys.size(), 3U);
  EXPECT_THAT(policies_.metrics(), ContainsRegex("dapr_resiliency_cb_state\\{[^}]*status=\"open\"[^}]*\\} 1"));
  EXPECT_THAT(policies_.metrics(),
              ContainsRegex("dapr_resiliency_activations_total\\{[^}]*policy=\"circuitbreaker\"[^}]*status=\"open\""
                            "[^}]*\\} 1"));
  loop_.advance(3001ms);
  set(one);
  EXPECT_EQ(said_.back(), "written");
}

TEST_F(ResilientStoreTest, ABreakerThatOpensEndsTheRetries) {
  state::Store& one = store("both");
  for (int i = 0; i < 9; ++i) behind_->outcomes.push_back(fail(Code::kInternal, "no"));
  set(one);
  loop_.advance(1s);
  set(one);
  loop_.advance(1s);
  EXPECT_THAT(said_, ElementsAre("no", "circuit breaker is open"));
  EXPECT_EQ(behind_->keys.size(), 3U);
}

TEST_F(ResilientStoreTest, NoFurtherAttemptBeginsOnceItIsShut) {
  state::Store& one = store("ever");
  for (int i = 0; i < 3; ++i) behind_->outcomes.push_back(fail(Code::kInternal, "no"));
  set(one);
  policies_.resilience().shut(config::Direction::kInbound);
  loop_.run_ready();
  EXPECT_THAT(said_, ElementsAre("written"));
  behind_->outcomes = {fail(Code::kInternal, "no")};
  set(one);
  policies_.resilience().shut(config::Direction::kOutbound);
  loop_.run_ready();
  EXPECT_THAT(said_, ElementsAre("written", "the target of the call is being closed"));
}

TEST_F(ResilientStoreTest, APauseBetweenAttemptsEndsWhenItIsShut) {
  state::Store& one = store("slowly");
  behind_->outcomes = {fail(Code::kInternal, "no"), fail(Code::kInternal, "no")};
  set(one);
  loop_.advance(1min);
  EXPECT_THAT(said_, ElementsAre());
  policies_.resilience().shut(config::Direction::kOutbound);
  loop_.run_ready();
  EXPECT_THAT(said_, ElementsAre("the target of the call is being closed"));
  // Nor does a new one begin, or the old one end, again.
  set(one);
  loop_.run_ready();
  loop_.advance(2h);
  EXPECT_EQ(said_.size(), 2U);
  EXPECT_EQ(behind_->keys.size(), 2U);
}

TEST_F(ResilientStoreTest, AnotherAppHasNoPolicies) {
  state::Store& one = store("slow");
  context_.app_id = "stranger";
  behind_->outcomes = {fail(Code::kInternal, "no")};
  set(one);
  EXPECT_THAT(said_, ElementsAre("no"));
}

TEST_F(ResilientStoreTest, ConditionalWritesAreTriedAgainOneByOne) {
  state::Store& one = store("slow");
  behind_->outcomes = {Status(), fail(Code::kInternal, "no")};
  std::vector<state::SetRequest> requests(2);
  requests[0] = {.key = "a", .etag = "1"};
  requests[1] = {.key = "b", .etag = "1"};
  one.bulk_set(context_, std::move(requests), [this](Status status) { said_.push_back(status ? "written" : "no"); });
  loop_.advance(1s);
  EXPECT_THAT(said_, ElementsAre("written"));
  EXPECT_THAT(behind_->keys, ElementsAre("a", "b", "b"));
}

class TopicBroker final : public pubsub::Broker {
 public:
  explicit TopicBroker(std::vector<std::string>& topics) : topics_(topics) {}
  void publish(const CallContext&, pubsub::PublishRequest request, Completion<void> done) override {
    topics_.push_back(request.topic);
    if (request.topic == "bad" && std::ranges::count(topics_, "bad") < 3) return done(fail(Code::kInternal, "no"));
    done({});
  }
  Result<std::unique_ptr<Subscription>> subscribe(std::string, std::string, Metadata, pubsub::MessageHandler) override {
    return std::make_unique<Subscription>();
  }

 private:
  std::vector<std::string>& topics_;
};

TEST_F(ResilientStoreTest, ABulkIsPublishedAgainWithWhatFailedAlone) {
  AppProtections protections;
  protections.add("caller",
                  policies_.resilience().component("pub", config::TargetKind::kPubsub, config::Direction::kOutbound));
  std::vector<std::string> topics;
  ResilientBroker broker(std::make_unique<TopicBroker>(topics), std::move(protections));
  std::vector<pubsub::PublishRequest> requests(3);
  requests[0].topic = "a";
  requests[1].topic = "bad";
  requests[2].topic = "c";
  broker.publish_bulk(context_, std::move(requests), [this](Result<std::vector<Status>> outcomes) {
    ASSERT_TRUE(outcomes);
    for (const Status& one : *outcomes) said_.push_back(one ? "sent" : "no");
  });
  loop_.advance(1s);
  EXPECT_THAT(said_, ElementsAre("sent", "sent", "sent"));
  EXPECT_THAT(topics, ElementsAre("a", "bad", "c", "bad", "bad"));
}

TEST_F(ResilientStoreTest, AnEventIsDeliveredAgain) {
  AppProtections protections;
  protections.add("caller",
                  policies_.resilience().component("pub", config::TargetKind::kPubsub, config::Direction::kInbound));
  EventPolicies events;
  events.put("pub", std::move(protections));
  using pubsub::Verdict;
  const auto deliver = [&](std::deque<Result<Verdict>> answers, SteadyTime give_up_by = SteadyTime::max()) {
    int asked = 0;
    pubsub::Delivery delivery;
    delivery.pubsub = "pub";
    delivery.give_up_by = give_up_by;
    std::string end;
    events.deliver(
        "caller", std::move(delivery),
        [&](pubsub::Delivery one, Completion<Verdict> done) {
          EXPECT_EQ(one.pubsub, "pub");
          EXPECT_LE(one.give_up_by, give_up_by);
          ++asked;
          Result<Verdict> answer = std::move(answers.front());
          answers.pop_front();
          done(std::move(answer));
        },
        [&](Result<Verdict> verdict) { end = verdict ? std::to_string(static_cast<int>(*verdict)) : "error"; });
    loop_.advance(1s);
    return end + " after " + std::to_string(asked);
  };
  EXPECT_EQ(deliver({Verdict::kRetry, Verdict::kSuccess}), "0 after 2");
  EXPECT_EQ(deliver({Verdict::kRetry, fail(Code::kUnavailable, "no"), Verdict::kRetry}), "1 after 3");
  EXPECT_EQ(deliver({Verdict::kDrop}), "2 after 1");
  EXPECT_EQ(deliver({fail(Code::kCancelled, "going away")}), "error after 1");
  const SteadyTime taken_back(std::chrono::hours(1) + loop_.now());
  EXPECT_EQ(deliver({Verdict::kRetry, Verdict::kSuccess}, taken_back), "1 after 1") << "it comes again by itself";
}

}  // namespace
}  // namespace tandem::policy
