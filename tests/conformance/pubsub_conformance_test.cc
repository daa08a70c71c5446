// What every pub/sub component does, through whatever door events are published and delivered.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "component_setup.h"
#include "grpc_pubsub.h"
#include "guest_pubsub.h"
#include "http_pubsub.h"
#include "pubsub_driver.h"
#include "service_pubsub.h"
#include "way.h"

namespace tandem::conformance {
namespace {

namespace json = boost::json;
using pubsub::Verdict;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const Metadata kRaw = {{"rawPayload", "true"}};

std::unique_ptr<PubsubDriver> make_driver(const Way& way) {
  switch (way.door) {
    case Door::kService: return make_service_pubsub(way.folder);
    case Door::kHttp: return make_http_pubsub(way.folder);
    case Door::kGrpc: return make_grpc_pubsub(way.folder);
    case Door::kGuest: return make_guest_pubsub(way.folder);
  }
  return nullptr;
}

json::object envelope(const Received& event) { return json::parse(event.body).as_object(); }

std::string data_of(const Received& event) { return std::string(envelope(event).at("data").as_string()); }

std::vector<std::string> data_of(const std::vector<Received>& events) {
  std::vector<std::string> all;
  for (const Received& event : events) all.push_back(data_of(event));
  return all;
}

class PubsubConformance : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    if (const std::string why = why_closed(GetParam().door); !why.empty()) GTEST_SKIP() << why;
    driver_ = make_driver(GetParam());
    ASSERT_NE(driver_, nullptr);
    publisher_ = &driver_->app("publisher", {});
  }

  PubsubApp& app(std::string app_id, std::vector<Verdict> verdicts = {}) {
    return driver_->app(std::move(app_id), std::move(verdicts));
  }

  // To the route "/on-<topic>".
  void subscribe(PubsubApp& app, const std::string& topic, const std::string& dead_letters = "",
                 Metadata metadata = {}) {
    config::Subscription subscription;
    subscription.pubsub_name = driver_->name();
    subscription.topic = topic;
    subscription.default_path = "/on-" + topic;
    subscription.dead_letter_topic = dead_letters;
    subscription.metadata = std::move(metadata);
    const Status status = app.subscribe(std::move(subscription));
    ASSERT_TRUE(status.has_value()) << status.error().message;
  }

  Result<void> publish(const std::string& topic, const std::string& data,
                       const std::string& content_type = "text/plain", Metadata metadata = {}) {
    return publisher_->publish({driver_->name(), topic, data, content_type, std::move(metadata)});
  }
  Result<std::vector<std::string>> publish_many(const std::string& topic, std::vector<BulkEvent> events,
                                                Metadata metadata = {}) {
    return publisher_->publish_many(driver_->name(), topic, std::move(events), std::move(metadata));
  }

  WorkFolder folder_;
  std::unique_ptr<PubsubDriver> driver_;
  PubsubApp* publisher_ = nullptr;
};

TEST_P(PubsubConformance, AnEventArrivesInItsEnvelope) {
  PubsubApp& subscriber = app("app");
  subscribe(subscriber, "orders");
  ASSERT_TRUE(publish("orders", "{\"id\":7}", "application/json"));
  const Received received = subscriber.wait_for(1)[0];
  EXPECT_EQ(received.route, "/on-orders");
  EXPECT_EQ(received.pubsub, driver_->name());
  EXPECT_EQ(received.content_type, "application/cloudevents+json");
  const json::object event = envelope(received);
  EXPECT_EQ(event.at("data").at("id").as_int64(), 7);
  EXPECT_EQ(event.at("datacontenttype").as_string(), "application/json");
  EXPECT_EQ(event.at("source").as_string(), "publisher");
  EXPECT_EQ(event.at("specversion").as_string(), "1.0");
  EXPECT_EQ(event.at("type").as_string(), "com.dapr.event.sent");
  EXPECT_EQ(event.at("topic").as_string(), "orders");
  EXPECT_EQ(event.at("pubsubname").as_string(), std::string_view(driver_->name()));
  EXPECT_EQ(event.at("id").as_string().size(), 36u);
}

TEST_P(PubsubConformance, DataTravelsAsItsTypeSays) {
  PubsubApp& subscriber = app("app");
  subscribe(subscriber, "t");
  std::string all_bytes;
  for (int i = 0; i < 256; ++i) all_bytes.push_back(static_cast<char>(i));
  ASSERT_TRUE(publish("t", "grüße 世界 🌍", "text/plain"));
  ASSERT_TRUE(publish("t", all_bytes, "application/octet-stream"));
  ASSERT_TRUE(publish("t", "[1,null,{\"a\":\"b\"}]", "application/json"));
  ASSERT_TRUE(publish("t", "no type", ""));
  json::object by_type;
  for (const Received& received : subscriber.wait_for(4)) {
    const json::object event = envelope(received);
    const json::value* bytes = event.if_contains("data_base64");
    const std::string type(event.at("datacontenttype").as_string());
    const json::value& data = bytes != nullptr ? *bytes : event.at("data");
    by_type[type + (data == "no type" ? " by default" : "")] = data;
  }
  EXPECT_EQ(by_type["text/plain"].as_string(), "grüße 世界 🌍");
  EXPECT_EQ(by_type["application/octet-stream"].as_string(), base64_encode(all_bytes));
  EXPECT_EQ(json::serialize(by_type["application/json"]), "[1,null,{\"a\":\"b\"}]");
  EXPECT_TRUE(by_type.contains("text/plain by default"));
}

TEST_P(PubsubConformance, ThePublisherSetsFieldsOfTheEvent) {
  PubsubApp& subscriber = app("app");
  subscribe(subscriber, "t");
  ASSERT_TRUE(publish("t", "mine", "text/plain",
                      {{"cloudevent.id", "id-1"}, {"cloudevent.type", "order.paid"}, {"cloudevent.source", "till 3"}}));
  // Over gRPC an app gets no data whose type is not said, as with daprd.
  ASSERT_TRUE(publish("t",
                      R"({"id":"id-2","type":"order.sent","source":"dock","datacontenttype":"text/plain",)"
                      R"("data":"whole","colour":"red"})",
                      "application/cloudevents+json"));
  const std::vector<Received> all = subscriber.wait_for(2);
  const bool in_order = data_of(all[0]) == "mine";
  const json::object fields = envelope(all[in_order ? 0 : 1]);
  EXPECT_EQ(fields.at("id").as_string(), "id-1");
  EXPECT_EQ(fields.at("type").as_string(), "order.paid");
  EXPECT_EQ(fields.at("source").as_string(), "till 3");
  const json::object whole = envelope(all[in_order ? 1 : 0]);
  EXPECT_EQ(whole.at("id").as_string(), "id-2");
  EXPECT_EQ(whole.at("type").as_string(), "order.sent");
  EXPECT_EQ(whole.at("source").as_string(), "dock");
  EXPECT_EQ(whole.at("data").as_string(), "whole");
  EXPECT_EQ(whole.at("colour").as_string(), "red");
  EXPECT_EQ(whole.at("specversion").as_string(), "1.0");
}

TEST_P(PubsubConformance, EveryAppGetsEveryEventOfItsTopicsOnly) {
  PubsubApp& first = app("first");
  PubsubApp& second = app("second");
  subscribe(first, "t");
  subscribe(second, "t");
  subscribe(first, "u");
  for (const char* data : {"1", "2", "3"}) ASSERT_TRUE(publish("t", data));
  ASSERT_TRUE(publish("u", "4"));
  ASSERT_TRUE(publish("nobodys", "5"));
  const std::vector<Received> both = first.wait_for(4);
  EXPECT_THAT(data_of(both), UnorderedElementsAre("1", "2", "3", "4"));
  for (const Received& received : both) EXPECT_EQ(received.route, data_of(received) == "4" ? "/on-u" : "/on-t");
  EXPECT_THAT(data_of(second.wait_for(3)), UnorderedElementsAre("1", "2", "3"));
}

TEST_P(PubsubConformance, ManyEventsAllArrive) {
  PubsubApp& subscriber = app("app");
  subscribe(subscriber, "t");
  constexpr std::size_t kEvents = 500;
  std::vector<std::string> sent;
  for (std::size_t i = 0; i < kEvents; ++i) {
    sent.push_back(std::to_string(i));
    ASSERT_TRUE(publish("t", sent.back()));
  }
  EXPECT_THAT(data_of(subscriber.wait_for(kEvents)), testing::UnorderedElementsAreArray(sent));
}

TEST_P(PubsubConformance, ALargeEventArrives) {
  PubsubApp& subscriber = app("app");
  subscribe(subscriber, "t");
  const std::string large(1 << 20, 'x');
  ASSERT_TRUE(publish("t", large));
  EXPECT_EQ(data_of(subscriber.wait_for(1)[0]), large);
}

TEST_P(PubsubConformance, ABulkArrivesEventByEvent) {
  PubsubApp& subscriber = app("app");
  subscribe(subscriber, "t");
  const auto failed = publish_many(
      "t", {{"1", "text", "text/plain", {{"cloudevent.id", "id-1"}}},
            {"2", "{\"n\":2}", "application/json"},
            {"3", "bytes", "application/octet-stream"},
            {"4", R"({"id":"id-4","datacontenttype":"text/plain","data":"own"})", "application/cloudevents+json"}});
  ASSERT_TRUE(failed.has_value()) << failed.error().message;
  EXPECT_THAT(*failed, IsEmpty());
  std::vector<std::string> seen;
  for (const Received& received : subscriber.wait_for(4)) {
    EXPECT_EQ(received.route, "/on-t");
    const json::object event = envelope(received);
    EXPECT_EQ(event.at("topic").as_string(), "t");
    const bool binary = event.contains("data_base64");
    const std::string data = json::serialize(event.at(binary ? "data_base64" : "data"));
    const std::string id(event.at("id").as_string());
    seen.push_back((id.size() == 36 ? "" : id + " ") + data);
  }
  EXPECT_THAT(seen, UnorderedElementsAre("id-1 \"text\"", "{\"n\":2}", "\"Ynl0ZXM=\"", "id-4 \"own\""));
}

TEST_P(PubsubConformance, ABulkOfRawPayloads) {
  PubsubApp& raw = app("raw");
  subscribe(raw, "t", "", kRaw);
  const auto failed = publish_many("t", {{"1", "one", "text/plain"}, {"2", "two", "text/plain"}}, kRaw);
  ASSERT_TRUE(failed.has_value()) << failed.error().message;
  EXPECT_THAT(*failed, IsEmpty());
  std::vector<std::string> seen;
  for (const Received& received : raw.wait_for(2)) seen.emplace_back(envelope(received).at("data_base64").as_string());
  EXPECT_THAT(seen, UnorderedElementsAre("b25l", "dHdv"));
}

TEST_P(PubsubConformance, EntryIdsAreThereAndDiffer) {
  PubsubApp& subscriber = app("app");
  subscribe(subscriber, "t");
  for (const char* second : {"1", ""}) {
    const auto result = publish_many("t", {{"1", "one", "text/plain"}, {second, "two", "text/plain"}});
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().reason, "ERR_PUBSUB_EVENTS_SER");
  }
  ASSERT_TRUE(publish("t", "nothing before"));
  EXPECT_THAT(data_of(subscriber.wait_for(1)), UnorderedElementsAre("nothing before"));
}

TEST_P(PubsubConformance, WhatCannotBePublishedIsRefused) {
  PubsubApp& subscriber = app("app");
  subscribe(subscriber, "t");
  EXPECT_EQ(publisher_->publish({"unknown", "t", "1", "text/plain", {}}).error().reason, "ERR_PUBSUB_NOT_FOUND");
  EXPECT_EQ(publisher_->publish_many("unknown", "t", {{"1", "1", "text/plain", {}}}, {}).error().reason,
            "ERR_PUBSUB_NOT_FOUND");
  EXPECT_EQ(publish("t", "[]", "application/cloudevents+json").error().reason, "ERR_PUBSUB_CLOUD_EVENTS_SER");
  EXPECT_EQ(publish("t", "1", "text/plain", {{"rawPayload", "perhaps"}}).error().reason, "ERR_PUBSUB_REQUEST_METADATA");
  ASSERT_TRUE(publish("t", "nothing before"));
  EXPECT_THAT(data_of(subscriber.wait_for(1)), UnorderedElementsAre("nothing before"));
}

TEST_P(PubsubConformance, ARetryComesAgainAsTheSameEvent) {
  PubsubApp& subscriber = app("app", {Verdict::kRetry, Verdict::kRetry, Verdict::kSuccess});
  subscribe(subscriber, "t");
  ASSERT_TRUE(publish("t", "again"));
  const std::vector<Received> received = subscriber.wait_for(3);
  EXPECT_EQ(received[0].body, received[1].body);
  EXPECT_EQ(received[0].body, received[2].body);
}

TEST_P(PubsubConformance, ADropDoesNotComeAgain) {
  PubsubApp& subscriber = app("app", {Verdict::kDrop, Verdict::kDrop});
  subscribe(subscriber, "t");
  for (const char* data : {"dropped", "this too", "taken"}) ASSERT_TRUE(publish("t", data));
  EXPECT_THAT(data_of(subscriber.wait_for(3)), UnorderedElementsAre("dropped", "this too", "taken"));
}

TEST_P(PubsubConformance, WhatIsNotTakenGoesToTheDeadLetterTopic) {
  PubsubApp& subscriber = app("app", {Verdict::kRetry, Verdict::kDrop});
  PubsubApp& undertaker = app("undertaker");
  subscribe(subscriber, "t", "dead");
  subscribe(undertaker, "dead");
  ASSERT_TRUE(publish("t", "retry"));
  ASSERT_TRUE(publish("t", "drop"));
  ASSERT_TRUE(publish("t", "taken"));
  const std::vector<Received> dead = undertaker.wait_for(2);
  EXPECT_THAT(data_of(dead), UnorderedElementsAre("retry", "drop"));
  EXPECT_EQ(dead[0].route, "/on-dead");
  EXPECT_EQ(envelope(dead[0]).at("topic").as_string(), "t");
  EXPECT_THAT(data_of(subscriber.wait_for(3)), UnorderedElementsAre("retry", "drop", "taken"));
}

TEST_P(PubsubConformance, RawPayloadsBothWays) {
  PubsubApp& raw = app("raw");
  subscribe(raw, "t", "", kRaw);
  ASSERT_TRUE(publish("t", "plain bytes", "application/octet-stream", kRaw));
  const json::object event = envelope(raw.wait_for(1)[0]);
  EXPECT_EQ(event.at("data_base64").as_string(), "cGxhaW4gYnl0ZXM=");
  EXPECT_EQ(event.at("datacontenttype").as_string(), "application/octet-stream");
}

TEST_P(PubsubConformance, AnEventWhoseTimeIsOverIsNotDelivered) {
  PubsubApp& subscriber = app("app");
  subscribe(subscriber, "t");
  ASSERT_TRUE(
      publish("t", R"({"id":"1","data":"late","expiration":"2001-01-01T00:00:00Z"})", "application/cloudevents+json"));
  ASSERT_TRUE(publish("t", "in time", "text/plain", {{"ttlInSeconds", "60"}}));
  EXPECT_THAT(data_of(subscriber.wait_for(1)), UnorderedElementsAre("in time"));
}

TEST_P(PubsubConformance, NothingComesAfterTheSubscriptionsHaveStopped) {
  PubsubApp& subscriber = app("app");
  PubsubApp& later = app("later");
  subscribe(subscriber, "t");
  ASSERT_TRUE(publish("t", "before"));
  subscriber.wait_for(1);
  driver_->stop_subscriptions();
  ASSERT_TRUE(publish("t", "after"));
  // Another topic: some brokers keep what a new subscriber has missed.
  subscribe(later, "u");
  ASSERT_TRUE(publish("u", "last"));
  EXPECT_THAT(data_of(later.wait_for(1)), UnorderedElementsAre("last"));
  EXPECT_THAT(data_of(subscriber.wait_for(1)), UnorderedElementsAre("before"));
}

INSTANTIATE_TEST_SUITE_P(All, PubsubConformance, testing::ValuesIn(every_way("pubsub")), test_name);

}  // namespace
}  // namespace tandem::conformance
