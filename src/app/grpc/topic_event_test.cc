#include "app/grpc/topic_event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "app/grpc/on_invoke.h"
#include "app/grpc/rpc_error.h"
#include "app/grpc/topic_subscriptions.h"
#include "app/grpc/trace_metadata.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace tandem::app::grpc {
namespace {

using ::dapr::proto::common::v1::HTTPExtension;
using ::dapr::proto::runtime::v1::ListTopicSubscriptionsResponse;
using ::dapr::proto::runtime::v1::TopicEventResponse;
using ::grpc::Status;
using ::grpc::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr std::string_view kParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

pubsub::Delivery delivery_of(std::string body) {
  return {.pubsub = "bus", .topic = "orders", .route = "/new", .body = share(std::move(body)), .content_type = {}};
}

TEST(TopicEventTest, TheEnvelopeBecomesFieldsAndExtensions) {
  const auto event = topic_event(delivery_of(
      R"({"id":"1","source":"shop","type":"t","specversion":"1.0","datacontenttype":"application/json",)"
      R"("data":{"a": [1, 2],  "b":"x \" {y"},"time":"now","traceid":"abc","number":7,"nested":{"deep":[true]}})"));
  ASSERT_TRUE(event) << event.error().message;
  EXPECT_EQ(event->id(), "1");
  EXPECT_EQ(event->source(), "shop");
  EXPECT_EQ(event->type(), "t");
  EXPECT_EQ(event->spec_version(), "1.0");
  EXPECT_EQ(event->data_content_type(), "application/json");
  EXPECT_EQ(event->data(), R"({"a":[1,2],"b":"x \" {y"})");
  EXPECT_EQ(event->topic(), "orders");
  EXPECT_EQ(event->pubsub_name(), "bus");
  EXPECT_EQ(event->path(), "/new");
  const auto& fields = event->extensions().fields();
  EXPECT_EQ(fields.size(), 4U);
  EXPECT_EQ(fields.at("time").string_value(), "now");
  EXPECT_EQ(fields.at("number").number_value(), 7);
  EXPECT_TRUE(fields.at("nested").struct_value().fields().at("deep").list_value().values(0).bool_value());
}

TEST(TopicEventTest, DataAreBytesByTheirContentType) {
  const auto data = [](const std::string& members) { return topic_event(delivery_of("{" + members + "}")); };
  EXPECT_EQ(data(R"("datacontenttype":"text/plain","data":"a\nb")")->data(), "a\nb");
  EXPECT_EQ(data(R"("datacontenttype":"application/octet-stream","data_base64":"AP8=")")->data(),
            std::string("\0\xff", 2));
  EXPECT_EQ(data(R"("datacontenttype":"application/json; charset=utf-8","data":"text")")->data(), "\"text\"");
  EXPECT_EQ(data(R"("datacontenttype":"application/json","data":null)")->data(), "");
  EXPECT_EQ(data(R"("datacontenttype":"image/png","data":"unknown")")->data(), "");
  EXPECT_FALSE(data(R"("datacontenttype":"text/plain","data":{"not":"text"})"));
  EXPECT_FALSE(data(R"("data_base64":"not base64!")"));
  EXPECT_FALSE(topic_event(delivery_of("[]")));
}

TEST(TopicEventTest, OnlyWhatMayTravelIsMetadata) {
  pubsub::Delivery delivery = delivery_of("{}");
  delivery.metadata = {
      {"pubsubName", "bus"}, {"Content-Type", "x"}, {"dapr-api-token", "stolen"}, {"grpc-timeout", "1n"},
      {"with space", "x"},   {"line", "a\nb"},      {"raw-bin", "\xff"},          {"big", std::string(20'000, 'x')},
      {"key", "value"}};
  delivery.trace = {std::string(kParent), "vendor=1"};
  const auto pairs = event_metadata(delivery);
  EXPECT_THAT(pairs, UnorderedElementsAre(Pair("pubsubname", "bus"), Pair("key", "value"), Pair("traceparent", kParent),
                                          Pair("tracestate", "vendor=1"), Pair("grpc-trace-bin", testing::SizeIs(29))));
}

TEST(TopicEventTest, TheAnswerIsAVerdict) {
  const Logger log({.fd = -1});
  const auto verdict = [&](const Status& status, int said = 0) {
    TopicEventResponse response;
    response.set_status(static_cast<TopicEventResponse::TopicEventResponseStatus>(said));
    return event_verdict(status, response, "id", log);
  };
  EXPECT_EQ(*verdict(Status::OK), pubsub::Verdict::kSuccess);
  EXPECT_EQ(*verdict(Status::OK, 1), pubsub::Verdict::kRetry);
  EXPECT_EQ(*verdict(Status::OK, 2), pubsub::Verdict::kDrop);
  EXPECT_EQ(*verdict(Status::OK, 77), pubsub::Verdict::kRetry);
  EXPECT_EQ(*verdict({StatusCode::UNIMPLEMENTED, "no such method"}), pubsub::Verdict::kDrop);
  EXPECT_EQ(verdict({StatusCode::NOT_FOUND, "x"}).error().message, "rpc error: code = NotFound desc = x");
  // CANCELLED would say that the app is going away.
  EXPECT_EQ(verdict({StatusCode::CANCELLED, "x"}).error().code, Code::kUnavailable);
}

TEST(TopicSubscriptionsTest, KeepsRulesAndWhatASubscriptionAsksFor) {
  ListTopicSubscriptionsResponse response;
  auto& plain = *response.add_subscriptions();
  plain.set_pubsub_name("bus");
  plain.set_topic("plain");
  auto& rich = *response.add_subscriptions();
  rich.set_topic("rich");
  rich.set_dead_letter_topic("dead");
  (*rich.mutable_metadata())["rawPayload"] = "true";
  rich.mutable_routes()->set_default_("/rest");
  auto& rule = *rich.mutable_routes()->add_rules();
  rule.set_match("event.type == 'x'");
  rule.set_path("/x");
  rich.mutable_bulk_subscribe()->set_enabled(true);
  rich.mutable_bulk_subscribe()->set_max_messages_count(9);
  const auto subscriptions = topic_subscriptions(response);
  ASSERT_EQ(subscriptions.size(), 2U);
  EXPECT_EQ(subscriptions[0].pubsub_name, "bus");
  ASSERT_EQ(subscriptions[0].rules.size(), 1U);
  EXPECT_EQ(subscriptions[0].rules[0].match + subscriptions[0].rules[0].path, "");
  EXPECT_EQ(subscriptions[1].default_path, "/rest");
  EXPECT_EQ(subscriptions[1].rules[0].path, "/x");
  EXPECT_EQ(subscriptions[1].dead_letter_topic, "dead");
  EXPECT_EQ(subscriptions[1].metadata.at("rawPayload"), "true");
  EXPECT_TRUE(subscriptions[1].bulk.enabled);
  EXPECT_EQ(subscriptions[1].bulk.max_messages_count, 9);
}

TEST(OnInvokeTest, TheHeadBecomesTheMessageAndItsMetadata) {
  const std::vector<net::Header> headers = {
      {"Content-Type", "application/json"}, {"Accept", "*/*"},   {"X-Own", "1"},         {"Connection", "close"},
      {"dapr-api-token", "sidecar's"},      {"raw-bin", "AP8="}, {"User-Agent", "curl"}, {"traceparent", kParent}};
  const net::RequestHead head{"PATCH", "http", "localhost", "/a%20b/c?x=1&y=%20", headers};
  const auto request = invoke_request(head);
  EXPECT_EQ(request.method(), "a b/c");
  EXPECT_EQ(request.http_extension().verb(), HTTPExtension::PATCH);
  EXPECT_EQ(request.http_extension().querystring(), "x=1&y=%20");
  EXPECT_EQ(request.content_type(), "application/json");
  EXPECT_THAT(invoke_metadata(head),
              UnorderedElementsAre(Pair("dapr-content-type", "application/json"), Pair("dapr-accept", "*/*"),
                                   Pair("x-own", "1"), Pair("raw-bin", std::string("\0\xff", 2)),
                                   Pair("traceparent", kParent), Pair("grpc-trace-bin", testing::SizeIs(29))));
  EXPECT_EQ(invoke_request({"FOO", "http", "", "/", {}}).http_extension().verb(), HTTPExtension::NONE);
}

TEST(RpcErrorTest, StatusesAreWordedAsDaprWordsThem) {
  google::rpc::Status rich;
  google::rpc::ErrorInfo info;
  info.set_reason("OUT");
  rich.add_details()->PackFrom(info);
  auto& unknown = *rich.add_details();
  unknown.set_type_url("type.googleapis.com/nobody.knows.This");
  unknown.set_value("\x08\x01");
  const Status status(StatusCode::NOT_FOUND, "no \"such\" order", rich.SerializeAsString());
  EXPECT_EQ(rpc_json(status), R"({"code":5,"message":"no \"such\" order","details":[{"@type":"type.googleapis.com/)"
                              R"(google.rpc.ErrorInfo","reason":"OUT"}]})");
  EXPECT_EQ(rpc_json({StatusCode::ABORTED, ""}), R"({"code":10,"message":""})");
  EXPECT_EQ(rpc_text({StatusCode::CANCELLED, "x"}), "rpc error: code = Canceled desc = x");
}

TEST(TraceMetadataTest, TheBinaryFormHasTheSameIds) {
  const std::string binary = binary_of_traceparent(kParent);
  ASSERT_EQ(binary.size(), 29U);
  EXPECT_EQ(binary.substr(0, 4), std::string("\0\0\x0a\xf7", 4));
  EXPECT_EQ(binary.substr(18, 2), "\1\xb7");
  EXPECT_EQ(binary.substr(27), "\2\1");
  EXPECT_EQ(binary_of_traceparent("nothing"), "");
}

}  // namespace
}  // namespace tandem::app::grpc
