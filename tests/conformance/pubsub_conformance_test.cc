// What every pub/sub component does, under the service that makes the envelopes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "blocks/pubsub/pubsub_service.h"
#include "component_setup.h"
#include "components/catalog.h"
#include "thread_loop.h"

namespace tandem::conformance {
namespace {

using pubsub::Delivery;
using pubsub::Verdict;
using testing::UnorderedElementsAre;

constexpr std::chrono::seconds kPatience{20};

// An app that notes what it gets and answers as it is told: the verdicts in turn, then success.
class App final : public pubsub::EventSink {
 public:
  explicit App(std::vector<Verdict> answers = {}) : answers_(std::move(answers)) {}

  void deliver(Delivery delivery, Completion<Verdict> done) override {
    Verdict verdict = Verdict::kSuccess;
    {
      std::lock_guard lock(mutex_);
      if (deliveries_.size() < answers_.size()) verdict = answers_[deliveries_.size()];
      deliveries_.push_back(std::move(delivery));
      changed_.notify_all();
    }
    done(verdict);
  }

  // Waits for so many deliveries and gives them all.
  std::vector<Delivery> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return deliveries_.size() >= count; }))
        << "only " << deliveries_.size() << " of " << count << " came";
    return deliveries_;
  }

 private:
  const std::vector<Verdict> answers_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Delivery> deliveries_;
};

class PubsubConformance : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const components::Catalog catalog = components::Catalog::load().value();
    const config::Component component = read_component(GetParam());
    name_ = component.name;
    config::Diagnostics diagnostics;
    std::optional<pubsub::BrokerEntry> entry = catalog.make_broker(component, {.timers = loop_}, diagnostics);
    ASSERT_TRUE(entry.has_value()) << diagnostics.to_string();
    ASSERT_TRUE(service_.add_broker(std::move(*entry)));
  }
  void TearDown() override { service_.close(std::chrono::steady_clock::now() + kPatience); }

  // Lives until the service has closed, as a sink must.
  App& new_app(std::vector<Verdict> answers = {}) {
    apps_.push_back(std::make_unique<App>(std::move(answers)));
    return *apps_.back();
  }

  void subscribe(const std::string& app_id, const std::string& topic, App& app, const std::string& dead_letters = "",
                 Metadata metadata = {}) {
    config::Subscription subscription;
    subscription.pubsub_name = name_;
    subscription.topic = topic;
    subscription.default_path = "/on-" + topic;
    subscription.dead_letter_topic = dead_letters;
    subscription.metadata = std::move(metadata);
    const Status status = service_.subscribe(app_id, std::move(subscription), app);
    ASSERT_TRUE(status.has_value()) << status.error().message;
  }

  Result<void> publish(const std::string& topic, const std::string& data,
                       const std::string& content_type = "text/plain", Metadata metadata = {}) {
    std::promise<Result<void>> promise;
    const CallContext context{.app_id = "publisher"};
    service_.publish(
        {context, loop_},
        {.pubsub = name_, .topic = topic, .data = data, .content_type = content_type, .metadata = std::move(metadata)},
        [&](Result<void> result) { promise.set_value(std::move(result)); });
    return promise.get_future().get();
  }

  static boost::json::object envelope(const Delivery& delivery) {
    return boost::json::parse(*delivery.body).as_object();
  }
  static std::vector<std::string> data_of(const std::vector<Delivery>& deliveries) {
    std::vector<std::string> all;
    for (const Delivery& delivery : deliveries) {
      const boost::json::object event = envelope(delivery);
      all.emplace_back(event.at("data").as_string());
    }
    return all;
  }

  WorkFolder folder_;
  ThreadLoop loop_;
  std::string name_;
  std::vector<std::unique_ptr<App>> apps_;
  pubsub::PubsubService service_;
};

TEST_P(PubsubConformance, AnEventArrivesInItsEnvelope) {
  App& app = new_app();
  subscribe("app", "orders", app);
  ASSERT_TRUE(publish("orders", "{\"id\":7}", "application/json"));
  const Delivery delivery = app.wait_for(1)[0];
  EXPECT_EQ(delivery.route, "/on-orders");
  EXPECT_EQ(delivery.topic, "orders");
  EXPECT_EQ(delivery.pubsub, name_);
  EXPECT_EQ(delivery.content_type, "application/cloudevents+json");
  const boost::json::object event = envelope(delivery);
  EXPECT_EQ(event.at("data").at("id").as_int64(), 7);
  EXPECT_EQ(event.at("datacontenttype").as_string(), "application/json");
  EXPECT_EQ(event.at("source").as_string(), "publisher");
  EXPECT_EQ(event.at("specversion").as_string(), "1.0");
  EXPECT_EQ(event.at("type").as_string(), "com.dapr.event.sent");
  EXPECT_EQ(event.at("topic").as_string(), "orders");
  EXPECT_EQ(event.at("pubsubname").as_string(), std::string_view(name_));
  EXPECT_EQ(event.at("id").as_string().size(), 36u);
}

TEST_P(PubsubConformance, EveryAppGetsEveryEventOfItsTopicsOnly) {
  App& first = new_app();
  App& second = new_app();
  App& other = new_app();
  subscribe("first", "t", first);
  subscribe("second", "t", second);
  subscribe("first", "u", other);
  for (const char* data : {"1", "2", "3"}) ASSERT_TRUE(publish("t", data));
  ASSERT_TRUE(publish("u", "4"));
  EXPECT_THAT(data_of(first.wait_for(3)), UnorderedElementsAre("1", "2", "3"));
  EXPECT_THAT(data_of(second.wait_for(3)), UnorderedElementsAre("1", "2", "3"));
  EXPECT_THAT(data_of(other.wait_for(1)), UnorderedElementsAre("4"));
}

TEST_P(PubsubConformance, ManyEventsAllArrive) {
  App& app = new_app();
  subscribe("app", "t", app);
  constexpr std::size_t kEvents = 500;
  for (std::size_t i = 0; i < kEvents; ++i) ASSERT_TRUE(publish("t", std::to_string(i)));
  std::vector<std::string> seen = data_of(app.wait_for(kEvents));
  std::ranges::sort(seen);
  EXPECT_EQ(std::ranges::unique(seen).begin() - seen.begin(), static_cast<long>(kEvents));
}

TEST_P(PubsubConformance, ALargeEventArrives) {
  App& app = new_app();
  subscribe("app", "t", app);
  const std::string large(1 << 20, 'x');
  ASSERT_TRUE(publish("t", large));
  EXPECT_EQ(data_of(app.wait_for(1))[0], large);
}

TEST_P(PubsubConformance, ARetryComesAgainAsTheSameEvent) {
  App& app = new_app({Verdict::kRetry, Verdict::kRetry, Verdict::kSuccess});
  subscribe("app", "t", app);
  ASSERT_TRUE(publish("t", "again"));
  const std::vector<Delivery> deliveries = app.wait_for(3);
  EXPECT_EQ(*deliveries[0].body, *deliveries[2].body);
}

TEST_P(PubsubConformance, ADropDoesNotComeAgain) {
  App& app = new_app({Verdict::kDrop});
  subscribe("app", "t", app);
  ASSERT_TRUE(publish("t", "dropped"));
  ASSERT_TRUE(publish("t", "next"));
  EXPECT_THAT(data_of(app.wait_for(2)), UnorderedElementsAre("dropped", "next"));
}

TEST_P(PubsubConformance, WhatIsNotTakenGoesToTheDeadLetterTopic) {
  App& app = new_app({Verdict::kRetry, Verdict::kDrop});
  App& undertaker = new_app();
  subscribe("app", "t", app, "dead");
  subscribe("undertaker", "dead", undertaker);
  ASSERT_TRUE(publish("t", "retry"));
  ASSERT_TRUE(publish("t", "drop"));
  ASSERT_TRUE(publish("t", "taken"));
  EXPECT_THAT(data_of(undertaker.wait_for(2)), UnorderedElementsAre("retry", "drop"));
  EXPECT_THAT(data_of(app.wait_for(3)), UnorderedElementsAre("retry", "drop", "taken"));
  const boost::json::object event = envelope(undertaker.wait_for(1)[0]);
  EXPECT_EQ(event.at("topic").as_string(), "t");
}

TEST_P(PubsubConformance, RawPayloadsBothWays) {
  App& raw = new_app();
  subscribe("raw", "t", raw, "", {{"rawPayload", "true"}});
  ASSERT_TRUE(publish("t", "plain bytes", "application/octet-stream", {{"rawPayload", "true"}}));
  const boost::json::object event = envelope(raw.wait_for(1)[0]);
  EXPECT_EQ(event.at("data_base64").as_string(), "cGxhaW4gYnl0ZXM=");
  EXPECT_EQ(event.at("datacontenttype").as_string(), "application/octet-stream");
}

TEST_P(PubsubConformance, AnEventWhoseTimeIsOverIsNotDelivered) {
  App& app = new_app();
  subscribe("app", "t", app);
  ASSERT_TRUE(
      publish("t", R"({"id":"1","data":"late","expiration":"2001-01-01T00:00:00Z"})", "application/cloudevents+json"));
  ASSERT_TRUE(publish("t", "in time", "text/plain", {{"ttlInSeconds", "60"}}));
  EXPECT_THAT(data_of(app.wait_for(1)), UnorderedElementsAre("in time"));
}

TEST_P(PubsubConformance, NothingComesAfterTheSubscriptionsHaveStopped) {
  App& app = new_app();
  App& later = new_app();
  subscribe("app", "t", app);
  ASSERT_TRUE(publish("t", "before"));
  app.wait_for(1);
  service_.stop_subscriptions();
  ASSERT_TRUE(publish("t", "after"));
  subscribe("later", "t", later);
  ASSERT_TRUE(publish("t", "last"));
  EXPECT_THAT(data_of(later.wait_for(1)), UnorderedElementsAre("last"));
  EXPECT_THAT(data_of(app.wait_for(1)), UnorderedElementsAre("before"));
}

INSTANTIATE_TEST_SUITE_P(All, PubsubConformance, testing::Values("pubsub/in_memory"),
                         [](const testing::TestParamInfo<std::string>& folder) { return test_name(folder.param); });

}  // namespace
}  // namespace tandem::conformance
