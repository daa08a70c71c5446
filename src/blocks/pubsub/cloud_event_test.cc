#include "blocks/pubsub/cloud_event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "blocks/pubsub/json_text.h"

namespace tandem::pubsub {
namespace {

using testing::IsEmpty;
using testing::MatchesRegex;

constexpr WallTime kNow{std::chrono::seconds(1'700'000'000)};
constexpr const char* kParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

class CloudEventTest : public testing::Test {
 protected:
  std::map<std::string, std::string> make(std::string_view data, std::string_view content_type) {
    Result<std::string> text = make_envelope({.source = "checkout",
                                              .pubsub = "orders-pubsub",
                                              .topic = "orders",
                                              .data = data,
                                              .content_type = content_type,
                                              .trace = trace_,
                                              .metadata = metadata_},
                                             kNow);
    EXPECT_TRUE(text.has_value());
    text_ = text.value_or("");
    return members(text_);
  }
  static std::map<std::string, std::string> members(const std::string& text) {
    std::map<std::string, std::string> result;
    const std::vector<JsonMember> all = json_members(text).value();
    for (const JsonMember& member : all) result[member.name] = member.value;
    return result;
  }

  TraceContext trace_{kParent, "a=b"};
  Metadata metadata_;
  std::string text_;
};

TEST_F(CloudEventTest, HasDaprsMembers) {
  auto event = make(R"({"id": 1})", "application/json");
  EXPECT_THAT(event["id"], MatchesRegex("\"[0-9a-f-]{36}\""));
  event.erase("id");
  const std::map<std::string, std::string> expected = {
      {"data", R"({"id": 1})"},
      {"datacontenttype", "\"application/json\""},
      {"pubsubname", "\"orders-pubsub\""},
      {"source", "\"checkout\""},
      {"specversion", "\"1.0\""},
      {"time", "\"2023-11-14T22:13:20Z\""},
      {"topic", "\"orders\""},
      {"traceid", "\"" + std::string(kParent) + "\""},
      {"traceparent", "\"" + std::string(kParent) + "\""},
      {"tracestate", "\"a=b\""},
      {"type", "\"com.dapr.event.sent\""},
  };
  EXPECT_EQ(event, expected);
}

TEST_F(CloudEventTest, AnEmptyOverrideIsOne) {
  metadata_ = {{"cloudevent.source", ""}, {"cloudevent.type", ""}, {"cloudevent.traceid", ""}, {"cloudevent.id", ""}};
  auto event = make("x", "text/plain");
  EXPECT_EQ(event["source"], "\"Dapr\"");
  EXPECT_EQ(event["type"], "\"com.dapr.event.sent\"");
  EXPECT_EQ(event["traceid"], "\"\"");
  EXPECT_EQ(event["tracestate"], "\"a=b\"");
  EXPECT_GT(event["id"].size(), 2u);
}

TEST_F(CloudEventTest, WithoutATraceTheMembersAreEmpty) {
  trace_ = {};
  auto event = make("x", "text/plain");
  EXPECT_EQ(event["traceid"], "\"\"");
  EXPECT_EQ(event["traceparent"], "\"\"");
  EXPECT_EQ(event["tracestate"], "\"\"");
}

TEST_F(CloudEventTest, DataByItsContentType) {
  EXPECT_EQ(make("12345678901234567890123", "application/json")["data"], "12345678901234567890123");
  EXPECT_EQ(make("[1]", "Application/JSON; charset=utf-8")["data"], "[1]");
  EXPECT_EQ(make("not json", "application/json")["data"], "\"not json\"");
  EXPECT_EQ(make("", "application/json")["data"], "\"\"");
  EXPECT_EQ(make("{\"a\":1}", "text/plain")["data"], R"("{\"a\":1}")");
  EXPECT_EQ(make("<a/>", "application/xml")["data"], R"("\u003ca/\u003e")");
  EXPECT_EQ(make("x", "")["datacontenttype"], "\"text/plain\"");
  EXPECT_EQ(make("x", "application/vnd.api+json")["data"], "\"x\"");
  auto binary = make(std::string("\x00\xff", 2), "application/octet-stream");
  EXPECT_EQ(binary["data_base64"], "\"AP8=\"");
  EXPECT_FALSE(binary.contains("data"));
}

TEST_F(CloudEventTest, AttributesCanBeOverridden) {
  metadata_ = {{"cloudevent.id", "my-id"},     {"cloudevent.source", "my-source"}, {"cloudevent.type", "my.type"},
               {"CloudEvent.Subject", "mine"}, {"cloudevent.tracestate", "c=d"},   {"cloudevent.traceparent", "tp"},
               {"cloudevent.topic", "no"}};
  auto event = make("x", "text/plain");
  EXPECT_EQ(event["id"], "\"my-id\"");
  EXPECT_EQ(event["source"], "\"my-source\"");
  EXPECT_EQ(event["type"], "\"my.type\"");
  EXPECT_EQ(event["subject"], "\"mine\"");
  EXPECT_EQ(event["tracestate"], "\"c=d\"");
  EXPECT_EQ(event["traceid"], "\"tp\"");
  EXPECT_EQ(event["traceparent"], "\"tp\"");
  EXPECT_EQ(event["topic"], "\"orders\"");
  metadata_ = {{"cloudevent.traceid", "only"}};
  EXPECT_EQ(make("x", "text/plain")["traceparent"], "\"only\"");
}

TEST_F(CloudEventTest, AnEnvelopeIsTakenAsItIsAndCompleted) {
  auto event =
      make(R"({"id":"e1","source":"me","type":"t","specversion":"1.0","data":{"big":12345678901234567890},"x":[1]})",
           "application/cloudevents+json");
  EXPECT_EQ(event["id"], "\"e1\"");
  EXPECT_EQ(event["source"], "\"me\"");
  EXPECT_EQ(event["data"], "{\"big\":12345678901234567890}");
  EXPECT_EQ(event["x"], "[1]");
  EXPECT_EQ(event["topic"], "\"orders\"");
  EXPECT_EQ(event["pubsubname"], "\"orders-pubsub\"");
  EXPECT_EQ(event["traceid"], "\"" + std::string(kParent) + "\"");
  EXPECT_EQ(event["time"], "\"2023-11-14T22:13:20Z\"");
  EXPECT_FALSE(event.contains("datacontenttype"));

  event = make(R"({"source":null,"topic":"theirs","traceid":"own","tracestate":"own","time":"then"})",
               "application/cloudevents+json; charset=utf-8");
  EXPECT_EQ(event["source"], "\"Dapr\"");
  EXPECT_EQ(event["type"], "\"com.dapr.event.sent\"");
  EXPECT_EQ(event["specversion"], "\"1.0\"");
  EXPECT_EQ(event["topic"], "\"orders\"");
  EXPECT_EQ(event["traceid"], "\"own\"");
  EXPECT_FALSE(event.contains("traceparent"));
  EXPECT_EQ(event["time"], "\"then\"");
  EXPECT_FALSE(event.contains("id"));
}

TEST_F(CloudEventTest, WhatIsNoEnvelopeIsRefused) {
  for (const char* data : {"", "x", "[]", "null", "\"a\"", "{"}) {
    EXPECT_FALSE(make_envelope({.source = "a",
                                .pubsub = "p",
                                .topic = "t",
                                .data = data,
                                .content_type = "application/cloudevents+json",
                                .trace = trace_,
                                .metadata = metadata_},
                               kNow)
                     .has_value())
        << data;
  }
}

TEST_F(CloudEventTest, TimeToLiveBecomesAnExpiration) {
  const auto expiration = [&](const char* name, const char* value) {
    metadata_ = {{name, value}};
    auto event = make("x", "text/plain");
    return event.contains("expiration") ? event["expiration"] : std::string("none");
  };
  EXPECT_EQ(expiration("ttlInSeconds", "60"), "\"2023-11-14T22:14:20Z\"");
  EXPECT_EQ(expiration("TTLInSeconds", "60"), "\"2023-11-14T22:14:20Z\"");
  EXPECT_EQ(expiration("ttl", "1h30m"), "\"2023-11-14T23:43:20Z\"");
  EXPECT_EQ(expiration("ttlInSeconds", "-5s"), "\"2023-11-14T22:13:20Z\"");
  EXPECT_EQ(expiration("ttlInSeconds", "-5"), "none");
  EXPECT_EQ(expiration("ttlInSeconds", "soon"), "none");
  EXPECT_EQ(expiration("ttlInSeconds", "9223372036854775807"), "\"2262-04-11T23:47:16Z\"");
}

TEST_F(CloudEventTest, ExpiredOrNot) {
  EXPECT_TRUE(has_expired("2023-11-14T22:13:19Z", kNow));
  EXPECT_FALSE(has_expired("2023-11-14T22:13:20Z", kNow));
  EXPECT_FALSE(has_expired("2023-11-14T22:13:20.5Z", kNow));
  EXPECT_TRUE(has_expired("2023-11-14T23:13:19+01:00", kNow));
  EXPECT_FALSE(has_expired("2023-11-14T20:13:21-02:00", kNow));
  for (const char* text :
       {"", "soon", "2023-11-14", "2023-11-14 22:13:19Z", "2023-02-30T00:00:00Z", "2023-11-14T22:13:19",
        "2023-11-14T22:13:19.Z", "2023-11-14T22:13:19+01", "2023-11-14T25:13:19Z"}) {
    EXPECT_FALSE(has_expired(text, kNow)) << text;
  }
}

TEST_F(CloudEventTest, RawPayloadsAreWrappedForSubscribers) {
  auto event = members(wrap_raw_payload("hello", "p", "t", {}));
  EXPECT_EQ(event["data_base64"], "\"aGVsbG8=\"");
  EXPECT_EQ(event["datacontenttype"], "\"application/octet-stream\"");
  EXPECT_EQ(event["source"], "\"Dapr\"");
  EXPECT_FALSE(event.contains("traceid"));
  EXPECT_FALSE(event.contains("time"));
  event = members(wrap_raw_payload("hello", "p", "t", {{"traceparent", kParent}, {"traceid", "other"}}));
  EXPECT_EQ(event["traceparent"], "\"" + std::string(kParent) + "\"");
  EXPECT_EQ(event["traceid"], event["traceparent"]);
  EXPECT_FALSE(event.contains("tracestate"));
  event = members(wrap_raw_payload("hello", "p", "t", {{"traceid", "id"}, {"tracestate", ""}}));
  EXPECT_EQ(event["traceid"], "\"id\"");
  EXPECT_EQ(event["tracestate"], "\"\"");
  EXPECT_FALSE(event.contains("traceparent"));
}

TEST_F(CloudEventTest, FactsForDelivery) {
  const EventFacts facts =
      read_envelope(R"({"id":"e1","expiration":"then","traceid":"ti","tracestate":"ts","data":{"id":"inner"}})")
          .value();
  EXPECT_EQ(facts.id, "e1");
  EXPECT_EQ(facts.expiration, "then");
  EXPECT_EQ(facts.trace.traceparent, "ti");
  EXPECT_EQ(facts.trace.tracestate, "ts");
  EXPECT_EQ(read_envelope(R"({"id":5,"expiration":null})")->id, "");
  EXPECT_FALSE(read_envelope("hello").has_value());
}

TEST_F(CloudEventTest, RawPayloadIsABooleanOfGos) {
  EXPECT_FALSE(is_raw_payload({}).value());
  EXPECT_TRUE(is_raw_payload({{"rawPayload", "true"}}).value());
  EXPECT_TRUE(is_raw_payload({{"rawPayload", "1"}}).value());
  EXPECT_FALSE(is_raw_payload({{"rawPayload", "False"}}).value());
  EXPECT_EQ(is_raw_payload({{"rawPayload", "yes"}}).error().message,
            "rawPayload value must be a valid boolean: actual is 'yes'");
}

}  // namespace
}  // namespace tandem::pubsub
