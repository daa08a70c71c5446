// Subscriptions that are a stream: what a client says and hears, and what becomes of its events.
#include "api/grpc/topic_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <utility>

#include "api/grpc/testing/test_door.h"

namespace tandem::api::grpc {
namespace {

using ::grpc::ClientContext;
using ::grpc::Status;
using ::grpc::StatusCode;
using pubsub::Verdict;
using testing::HasSubstr;
using Request = wire::SubscribeTopicEventsRequestAlpha1;
using Response = wire::SubscribeTopicEventsResponseAlpha1;

Request initial(const std::string& pubsub, const std::string& topic, const std::string& dead_letters = "") {
  Request request;
  request.mutable_initial_request()->set_pubsub_name(pubsub);
  request.mutable_initial_request()->set_topic(topic);
  if (!dead_letters.empty()) request.mutable_initial_request()->set_dead_letter_topic(dead_letters);
  return request;
}

Request processed(const std::string& id, wire::TopicEventResponse::TopicEventResponseStatus status) {
  Request request;
  request.mutable_event_processed()->set_id(id);
  request.mutable_event_processed()->mutable_status()->set_status(status);
  return request;
}

std::string event(const std::string& id, const std::string& data = "1") {
  return R"({"id":")" + id + R"(","source":"shop","type":"com.dapr.event.sent","specversion":"1.0",)" +
         R"("datacontenttype":"application/json","colour":"red","data":)" + data + "}";
}

// The verdict, or what went wrong.
std::string outcome(std::future<Result<Verdict>> verdict) {
  if (verdict.wait_for(std::chrono::seconds(20)) != std::future_status::ready) return "nothing";
  const Result<Verdict> result = verdict.get();
  if (!result) return "error: " + result.error().message;
  return *result == Verdict::kSuccess ? "success" : *result == Verdict::kRetry ? "retry" : "drop";
}

// A client with its stream.
class Client final {
 public:
  explicit Client(TestDoor& door) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    stream_ = door.stub().SubscribeTopicEventsAlpha1(&context_);
  }
  // To topic "t".
  static std::unique_ptr<Client> subscribed(TestDoor& door, const std::string& dead_letters = "") {
    auto client = std::make_unique<Client>(door);
    client->say(initial("bus", "t", dead_letters));
    EXPECT_TRUE(client->hear().has_initial_response());
    return client;
  }

  void say(const Request& request) { EXPECT_TRUE(stream_->Write(request)); }
  Response hear() {
    Response response;
    EXPECT_TRUE(stream_->Read(&response));
    return response;
  }
  void leave() { context_.TryCancel(); }
  void say_no_more() { stream_->WritesDone(); }
  Status end() {
    Response rest;
    while (stream_->Read(&rest)) {
    }
    return stream_->Finish();
  }

 private:
  ClientContext context_;
  std::unique_ptr<::grpc::ClientReaderWriter<Request, Response>> stream_;
};

void wait_until_nobody_subscribes(TestDoor& door) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (door.broker->subscribers() > 0 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_EQ(door.broker->subscribers(), 0u);
}

TEST(TopicStreamTest, EventsComeAndAnswersGo) {
  TestDoor door;
  const auto client = Client::subscribed(door);
  auto first = door.broker->deliver("t", event("1", R"({ "n": 7 })"));
  auto second = door.broker->deliver("t", event("2"));
  const Response heard = client->hear();
  const wire::TopicEventRequest& message = heard.event_message();
  EXPECT_EQ(message.id(), "1");
  EXPECT_EQ(message.source(), "shop");
  EXPECT_EQ(message.type(), "com.dapr.event.sent");
  EXPECT_EQ(message.spec_version(), "1.0");
  EXPECT_EQ(message.data_content_type(), "application/json");
  EXPECT_EQ(message.data(), R"({"n":7})");
  EXPECT_EQ(message.topic(), "t");
  EXPECT_EQ(message.pubsub_name(), "bus");
  EXPECT_EQ(message.path(), "/");
  EXPECT_EQ(message.extensions().fields().at("colour").string_value(), "red");
  EXPECT_EQ(client->hear().event_message().id(), "2");
  // In any order; what nobody has asked is passed over.
  client->say(processed("unknown", wire::TopicEventResponse::SUCCESS));
  client->say(processed("2", wire::TopicEventResponse::RETRY));
  client->say(processed("1", wire::TopicEventResponse::SUCCESS));
  EXPECT_EQ(outcome(std::move(first)), "success");
  EXPECT_EQ(outcome(std::move(second)), "retry");
  auto third = door.broker->deliver("t", event("3"));
  client->hear();
  client->say(processed("3", wire::TopicEventResponse::DROP));
  EXPECT_EQ(outcome(std::move(third)), "drop");
  client->leave();
  EXPECT_EQ(client->end().error_code(), StatusCode::CANCELLED);
}

TEST(TopicStreamTest, WhatIsNotTakenGoesToTheDeadLetterTopic) {
  TestDoor door;
  const auto client = Client::subscribed(door, "dead");
  auto refused = door.broker->deliver("t", event("1"));
  client->hear();
  client->say(processed("1", wire::TopicEventResponse::RETRY));
  EXPECT_EQ(outcome(std::move(refused)), "success");
  ASSERT_EQ(door.broker->published.size(), 1u);
  EXPECT_EQ(door.broker->published[0].topic, "dead");
  client->leave();
}

TEST(TopicStreamTest, AnEventThatIsNotAnsweredStaysWithTheBroker) {
  TestDoor door;
  auto client = Client::subscribed(door, "dead");
  auto open = door.broker->deliver("t", event("1"));
  client->hear();
  client->leave();
  EXPECT_EQ(outcome(std::move(open)), "retry");
  wait_until_nobody_subscribes(door);
  EXPECT_EQ(door.broker->published.size(), 0u);
  EXPECT_EQ(outcome(door.broker->deliver("t", event("2"))), "error: nobody has subscribed");
}

TEST(TopicStreamTest, AnEventThatComesAgainIsOne) {
  TestDoor door;
  const auto client = Client::subscribed(door);
  auto first = door.broker->deliver("t", event("1"));
  auto again = door.broker->deliver("t", event("1"));
  EXPECT_EQ(outcome(std::move(first)), "retry");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(client->hear().event_message().id(), "1");
  client->say(processed("1", wire::TopicEventResponse::SUCCESS));
  EXPECT_EQ(outcome(std::move(again)), "success");
  client->leave();
}

TEST(TopicStreamTest, EveryStreamIsASubscription) {
  TestDoor door;
  const auto one = Client::subscribed(door);
  const auto two = Client::subscribed(door);
  EXPECT_EQ(door.broker->subscribers(), 2u);
  const auto active = door.pubsub().subscriptions("caller");
  ASSERT_EQ(active.size(), 2u);
  EXPECT_TRUE(active[0].is_stream);
  EXPECT_EQ(active[0].subscription.topic, "t");
  one->leave();
  two->leave();
  wait_until_nobody_subscribes(door);
  EXPECT_EQ(door.pubsub().subscriptions("caller").size(), 0u);
}

TEST(TopicStreamTest, TheEndOfTheSubscriptionsEndsTheStream) {
  TestDoor door;
  const auto client = Client::subscribed(door);
  auto open = door.broker->deliver("t", event("1"));
  client->hear();
  door.pubsub().stop_subscriptions();
  EXPECT_EQ(outcome(std::move(open)), "retry");
  const Status ended = client->end();
  EXPECT_EQ(ended.error_code(), StatusCode::UNKNOWN);
  EXPECT_EQ(ended.error_message(), "stream closed");
  Client late(door);
  late.say(initial("bus", "t"));
  EXPECT_EQ(late.end().error_code(), StatusCode::UNAVAILABLE);
}

TEST(TopicStreamTest, WhatIsWrongIsSaidAsDaprdSaysIt) {
  TestDoor door;
  const auto ending = [&](const Request& request) {
    Client client(door);
    client.say(request);
    return client.end();
  };
  EXPECT_EQ(ending(processed("1", wire::TopicEventResponse::SUCCESS)).error_message(), "initial request is required");
  EXPECT_EQ(ending(initial("", "t")).error_message(), "pubsubName is required");
  EXPECT_EQ(ending(initial("bus", "")).error_message(), "topic is required");
  EXPECT_EQ(ending(initial("bus", "")).error_code(), StatusCode::UNKNOWN);
  const Status unknown = ending(initial("train", "t"));
  EXPECT_EQ(unknown.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(unknown.error_message(), HasSubstr("pubsub train is not found"));

  const auto twice = Client::subscribed(door);
  twice->say(initial("bus", "t"));
  EXPECT_EQ(twice->end().error_message(), "duplicate initial request received");
  const auto silent = Client::subscribed(door);
  silent->say_no_more();
  EXPECT_EQ(silent->end().error_message(), "EOF");
  wait_until_nobody_subscribes(door);
}

TEST(TopicStreamTest, AnEventThatIsNoneIsNotSent) {
  TestDoor door;
  const auto client = Client::subscribed(door);
  EXPECT_EQ(outcome(door.broker->deliver("t", "no JSON")), "drop");
  EXPECT_EQ(outcome(door.broker->deliver("t", R"({"id":"1","datacontenttype":"text/plain","data":5})")), "retry");
  client->leave();
}

TEST(TopicStreamTest, TheDoorsEndEndsIt) {
  TestDoor door;
  const auto client = Client::subscribed(door);
  auto open = door.broker->deliver("t", event("1"));
  client->hear();
  door.door.reset();
  EXPECT_EQ(outcome(std::move(open)), "retry");
  EXPECT_FALSE(client->end().ok());
}

TEST(TopicStreamTest, ItNeedsTheToken) {
  TestDoor door("secret");
  Client client(door);
  EXPECT_EQ(client.end().error_code(), StatusCode::UNAUTHENTICATED);
}

}  // namespace
}  // namespace tandem::api::grpc
