// MeteredStore and MeteredBroker: every outcome is counted once, under the calling app.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/metered_broker.h"
#include "policy/metered_store.h"

namespace tandem::policy {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class OneKeyStore final : public state::Store {
 public:
  state::Features features() const override { return {.etag = true}; }
  void ping(const CallContext&, Completion<void> done) override { done({}); }
  void get(const CallContext&, const state::GetRequest& request, Completion<state::GetResponse> done) override {
    if (request.key == "bad") return done(fail(Code::kInternal, "no"));
    done(state::GetResponse{.data = share("value")});
  }
  void set(const CallContext&, state::SetRequest, Completion<void> done) override { done({}); }
  void remove(const CallContext&, state::DeleteRequest, Completion<void> done) override { done({}); }
};

class OneMessageBroker final : public pubsub::Broker {
 public:
  void publish(const CallContext&, pubsub::PublishRequest request, Completion<void> done) override {
    if (request.topic == "bad") return done(fail(Code::kInternal, "no"));
    if (!handler_) return done({});
    handler_({request.topic, request.data, request.content_type, {}}, [](Result<pubsub::Verdict>) {});
    done({});
  }
  Result<std::unique_ptr<Subscription>> subscribe(std::string, std::string, Metadata,
                                                  pubsub::MessageHandler handler) override {
    handler_ = std::move(handler);
    return std::make_unique<Subscription>();
  }

 private:
  pubsub::MessageHandler handler_;
};

TEST(MeteredStore, Counts_each_outcome_under_the_calling_app) {
  telemetry::Metrics metrics;
  MeteredStore store(std::make_unique<OneKeyStore>(), metrics, {.component = "shelf"}, {"orders"});
  CallContext context;
  context.app_id = "orders";
  int answers = 0;
  store.get(context, {.key = "good"}, [&](Result<state::GetResponse> got) { answers += got.has_value() ? 1 : 0; });
  store.get(context, {.key = "bad"}, [&](Result<state::GetResponse> got) { answers += got.has_value() ? 0 : 10; });
  context.app_id = "stranger";
  store.get(context, {.key = "good"}, [&](Result<state::GetResponse> got) { answers += got.has_value() ? 100 : 0; });
  EXPECT_EQ(answers, 111);
  const std::string text = metrics.expose();
  EXPECT_THAT(text, ::testing::ContainsRegex("dapr_component_state_count\\{[^}]*component=\"shelf\"[^}]*operation="
                                             "\"get\"[^}]*success=\"true\"[^}]*\\} 1"));
  EXPECT_THAT(text, ::testing::ContainsRegex(
                        "dapr_component_state_count\\{[^}]*operation=\"get\"[^}]*success=\"false\"[^}]*\\} 1"));
  EXPECT_THAT(text, Not(HasSubstr("stranger")));
}

TEST(MeteredBroker, Counts_publications_and_deliveries) {
  telemetry::Metrics metrics;
  MeteredBroker broker(std::make_unique<OneMessageBroker>(), metrics, {.component = "bus"});
  const auto subscription = broker.subscribe(
      "news", "reader", {}, [](pubsub::Message, Completion<pubsub::Verdict> done) { done(pubsub::Verdict::kDrop); });
  ASSERT_TRUE(subscription);
  CallContext context;
  context.app_id = "writer";
  int failures = 0;
  broker.publish(context, {.topic = "news", .data = share("x")}, [&](Status status) { failures += status ? 0 : 1; });
  broker.publish(context, {.topic = "bad", .data = share("x")}, [&](Status status) { failures += status ? 0 : 1; });
  EXPECT_EQ(failures, 1);
  const std::string text = metrics.expose();
  EXPECT_THAT(text, ::testing::ContainsRegex("dapr_component_pubsub_egress_count\\{[^}]*app_id=\"writer\"[^}]*success="
                                             "\"true\"[^}]*topic=\"news\"[^}]*\\} 1"));
  EXPECT_THAT(text, ::testing::ContainsRegex(
                        "dapr_component_pubsub_egress_count\\{[^}]*success=\"false\"[^}]*topic=\"bad\"[^}]*\\} 1"));
  EXPECT_THAT(
      text, ::testing::ContainsRegex(
                "dapr_component_pubsub_ingress_count\\{[^}]*app_id=\"reader\"[^}]*process_status=\"drop\"[^}]*\\} 1"));
  EXPECT_THAT(text, ::testing::ContainsRegex("dapr_component_pubsub_ingress_in_flight\\{[^}]*\\} 0"));
}

TEST(MeteredBroker, Counts_a_bulk_as_one_call) {
  telemetry::Metrics metrics;
  MeteredBroker broker(std::make_unique<OneMessageBroker>(), metrics, {.component = "bus"});
  CallContext context;
  context.app_id = "writer";
  EXPECT_THAT(metrics.expose(), Not(HasSubstr("egress_bulk")));
  std::vector<bool> good;
  const auto publish = [&](std::vector<std::string> topics) {
    std::vector<pubsub::PublishRequest> requests;
    for (const std::string& topic : topics) requests.push_back({.topic = topic, .data = share("x")});
    broker.publish_bulk(context, std::move(requests), [&](Result<std::vector<Status>> outcomes) {
      good.clear();
      for (const Status& outcome : *outcomes) good.push_back(outcome.has_value());
    });
  };
  publish({"news", "news", "news"});
  EXPECT_THAT(good, ::testing::ElementsAre(true, true, true));
  publish({"news", "bad"});
  EXPECT_THAT(good, ::testing::ElementsAre(true, false));
  publish({});
  EXPECT_TRUE(good.empty());
  const std::string text = metrics.expose();
  for (const char* success : {"true", "false"}) {
    EXPECT_THAT(text, HasSubstr(std::string("dapr_component_pubsub_egress_bulk_count{app_id=\"writer\",component="
                                            "\"bus\",namespace=\"default\",success=\"") +
                                success + "\",topic=\"news\"} 1\n"));
  }
  EXPECT_THAT(text, Not(HasSubstr("dapr_component_pubsub_egress_count{app_id=\"writer\",component=\"bus\",namespace="
                                  "\"default\",success=\"true\",topic=\"news\"} 1")));
}

}  // namespace
}  // namespace tandem::policy
