// What Tandem itself asks an app: deliveries and their verdicts, its subscriptions; and the door of its own port.

#include <map>

#include "app/delivery.h"
#include "app/front_door.h"
#include "app/subscriptions.h"
#include "app/testing/test_guests.h"
#include "net/http_head.h"

namespace tandem::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

// What an app was asked, and an answer for it.
class AskedApp final : public net::Handler {
 public:
  void handle(std::unique_ptr<net::Exchange> exchange) override {
    method = exchange->head().method;
    target = exchange->head().target;
    headers.clear();
    for (const net::Header& header : exchange->head().headers) headers.emplace(header.name, header.value);
    trace = exchange->context().trace;
    deadline = exchange->context().deadline;
    body = exchange->body().take_whole().value_or("?");
    if (breaks_off) {
      exchange->start(status, {});
      return exchange->abort();
    }
    if (status != 0) exchange->respond(status, {}, answer);
  }

  int status = 200;
  std::string answer;
  bool breaks_off = false;
  std::string method, target, body;
  std::map<std::string, std::string> headers;
  TraceContext trace;
  SteadyTime deadline{};
};

const Logger& quiet() {
  static const Logger log(Logger::Options{.level = LogLevel::kFatal});
  return log;
}

const TraceContext kTrace{"00-11111111111111111111111111111111-2222222222222222-01", "a=b"};

Result<pubsub::Verdict> deliver(AskedApp& app, std::string route = "/orders", Metadata metadata = {{"partition", "7"}},
                                TraceContext trace = kTrace) {
  pubsub::Delivery delivery;
  delivery.pubsub = "bus";
  delivery.topic = "orders";
  delivery.route = std::move(route);
  delivery.body = std::make_shared<const std::string>(R"({"id":"1"})");
  delivery.content_type = "application/cloudevents+json";
  delivery.trace = std::move(trace);
  delivery.metadata = std::move(metadata);
  Result<pubsub::Verdict> got = fail(Code::kUnknown, "no verdict");
  deliver_to(app, "app", std::chrono::seconds(5), quiet(), std::move(delivery),
             [&](Result<pubsub::Verdict> verdict) { got = std::move(verdict); });
  return got;
}

TEST(Delivery, IsAPostToTheRoute) {
  AskedApp app;
  ASSERT_TRUE(deliver(app));
  EXPECT_EQ(app.method, "POST");
  EXPECT_EQ(app.target, "/orders");
  EXPECT_EQ(app.body, R"({"id":"1"})");
  EXPECT_EQ(app.headers["content-type"], "application/cloudevents+json");
  EXPECT_EQ(app.headers["content-length"], "10");
  EXPECT_EQ(app.headers["traceparent"], "00-11111111111111111111111111111111-2222222222222222-01");
  EXPECT_EQ(app.headers["tracestate"], "a=b");
  EXPECT_EQ(app.headers["partition"], "7");
  EXPECT_LE(app.deadline, std::chrono::steady_clock::now() + std::chrono::seconds(5));
  ASSERT_TRUE(deliver(app, "orders"));
  EXPECT_EQ(app.target, "/orders");
}

TEST(Delivery, ABulkIsOnePost) {
  AskedApp app;
  app.answer = R"({"statuses":[{"entryId":"b","status":"DROP"},{"entryId":"a","status":"SUCCESS"}]})";
  pubsub::BulkDelivery bulk{.id = "1", .pubsub = "bus", .topic = "orders", .route = "/orders"};
  bulk.metadata = {{"pubsubName", "bus"}};
  for (const char* id : {"a", "b", "c"}) bulk.items.push_back({.entry_id = id, .event = share(R"({"id":"1"})")});
  Result<std::vector<pubsub::Verdict>> got;
  deliver_bulk_to(app, "app", std::chrono::seconds(5), quiet(), bulk,
                  [&](Result<std::vector<pubsub::Verdict>> verdicts) { got = std::move(verdicts); });
  ASSERT_TRUE(got);
  EXPECT_THAT(*got, ElementsAre(pubsub::Verdict::kSuccess, pubsub::Verdict::kDrop, pubsub::Verdict::kRetry));
  EXPECT_EQ(app.method, "POST");
  EXPECT_EQ(app.target, "/orders");
  EXPECT_EQ(app.headers["content-type"], "application/json");
  EXPECT_EQ(app.headers["pubsubname"], "bus");
  EXPECT_THAT(app.body, HasSubstr(R"({"entryId":"a","event":{"id":"1"},)"));
}

TEST(Delivery, MetadataThatMakesNoHeaderIsLeftOut) {
  AskedApp app;
  ASSERT_TRUE(deliver(app, "/orders", {{"a b", "1"}, {"c\r\nX", "2"}, {"v", "1\r\nX: 2"}, {"ü", "3"}, {"good", "4"}}));
  EXPECT_EQ(app.headers["good"], "4");
  for (const auto& [name, value] : app.headers) {
    EXPECT_TRUE(net::valid_header({name, value})) << name;
  }

  Metadata large{{"pubsubName", "bus"}};
  for (int i = 0; i < 100; ++i) large.emplace("m" + std::to_string(i), std::string(1024, 'x'));
  app.headers.clear();
  ASSERT_TRUE(deliver(app, "/orders", large));
  std::size_t bytes = 0;
  for (const auto& [name, value] : app.headers) bytes += name.size() + value.size();
  EXPECT_GT(bytes, 10u * 1024);
  EXPECT_LT(bytes, 17u * 1024);
  EXPECT_EQ(app.headers["pubsubname"], "bus");
}

TEST(Delivery, MetadataSetsNoHeaderThatIsNotItsOwn) {
  AskedApp app;
  Metadata metadata{{"partitionKey", "7"}};
  for (const char* name : {"Content-Type", "content-length", "Host", "traceparent", "Connection", "TE", "upgrade",
                           "dapr-api-token", "Dapr-Caller-App-Id", "key-bin"}) {
    metadata.emplace(name, "forged");
  }
  ASSERT_TRUE(deliver(app, "/orders", metadata));
  EXPECT_EQ(app.headers["partitionkey"], "7");
  EXPECT_EQ(app.headers["content-type"], "application/cloudevents+json");
  for (const auto& [name, value] : app.headers) EXPECT_NE(value, "forged") << name;
}

TEST(Delivery, ATraceThatIsNoneIsLeftOut) {
  AskedApp app;
  ASSERT_TRUE(deliver(app, "/orders", {}, {"00-nonsense\r\nX: 1", "a=b"}));
  EXPECT_FALSE(app.headers.contains("traceparent"));
  EXPECT_FALSE(app.headers.contains("tracestate"));
  EXPECT_EQ(app.trace.traceparent, "");
  ASSERT_TRUE(deliver(app, "/orders", {}, {kTrace.traceparent, "a=b\r\nX: 1"}));
  EXPECT_EQ(app.headers["traceparent"], kTrace.traceparent);
  EXPECT_FALSE(app.headers.contains("tracestate"));
}

TEST(Delivery, TheAnswerIsTheVerdict) {
  struct Case {
    int status;
    std::string answer;
    pubsub::Verdict verdict;
  };
  const Case cases[] = {
      {200, "", pubsub::Verdict::kSuccess},
      {204, "", pubsub::Verdict::kSuccess},
      {200, R"({"status":"SUCCESS"})", pubsub::Verdict::kSuccess},
      {200, R"({"status":"DROP"})", pubsub::Verdict::kDrop},
      {200, R"({"status":"RETRY"})", pubsub::Verdict::kRetry},
      {200, R"({"status":"MAYBE"})", pubsub::Verdict::kRetry},
      {200, "not JSON", pubsub::Verdict::kSuccess},
      {404, "", pubsub::Verdict::kDrop},
      {400, "", pubsub::Verdict::kRetry},
      {500, R"({"status":"SUCCESS"})", pubsub::Verdict::kRetry},
  };
  for (const Case& one : cases) {
    AskedApp app;
    app.status = one.status;
    app.answer = one.answer;
    const Result<pubsub::Verdict> verdict = deliver(app);
    ASSERT_TRUE(verdict) << one.status << one.answer;
    EXPECT_EQ(*verdict, one.verdict) << one.status << one.answer;
  }
}

TEST(Delivery, AnAppThatBreaksOffOrSaysTooMuchGivesNoVerdict) {
  AskedApp app;
  app.breaks_off = true;
  EXPECT_FALSE(deliver(app));
  app.breaks_off = false;
  app.answer = std::string(64 * 1024, ' ');
  EXPECT_TRUE(deliver(app));
  app.answer += ' ';
  const Result<pubsub::Verdict> verdict = deliver(app);
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().code, Code::kResourceExhausted);
  // Dropped unanswered: a 500, that is a retry.
  app.status = 0;
  EXPECT_EQ(*deliver(app), pubsub::Verdict::kRetry);
}

TEST(Delivery, ReachesAGuest) {
  Rig rig;
  GuestPool& pool = rig.pool("suspend 1; status 404");
  std::promise<Result<pubsub::Verdict>> promise;
  rig.on([&] {
    pubsub::Delivery delivery;
    delivery.route = "/orders";
    delivery.body = std::make_shared<const std::string>("{}");
    deliver_to(pool, "app", std::chrono::seconds(5), quiet(), std::move(delivery),
               [&](Result<pubsub::Verdict> verdict) { promise.set_value(std::move(verdict)); });
  });
  EXPECT_EQ(*promise.get_future().get(), pubsub::Verdict::kDrop);
}

// ---- subscriptions ----

TEST(Subscriptions, BothFormsOfDapr) {
  const auto parsed = parse_subscriptions(R"([
    {"pubsubname":"bus","topic":"orders","route":"/orders","deadLetterTopic":"poison","metadata":{"rawPayload":"true","n":1}},
    {"pubsubName":"bus","topic":"t2","routes":{"rules":[{"match":"event.type == \"a\"","path":"/a"}],"default":"/d"},
     "bulkSubscribe":{"enabled":true,"maxMessagesCount":10,"maxAwaitDurationMs":20}}])",
                                          "app");
  ASSERT_TRUE(parsed) << parsed.error().message;
  ASSERT_EQ(parsed->size(), 2u);
  const config::Subscription& first = (*parsed)[0];
  EXPECT_EQ(first.pubsub_name, "bus");
  EXPECT_EQ(first.topic, "orders");
  EXPECT_EQ(first.default_path, "/orders");
  EXPECT_EQ(first.dead_letter_topic, "poison");
  EXPECT_THAT(first.metadata, ElementsAre(Pair("rawPayload", "true")));
  EXPECT_FALSE(first.bulk.enabled);
  const config::Subscription& second = (*parsed)[1];
  EXPECT_EQ(second.pubsub_name, "bus");
  EXPECT_EQ(second.default_path, "/d");
  ASSERT_EQ(second.rules.size(), 1u);
  EXPECT_EQ(second.rules[0].match, "event.type == \"a\"");
  EXPECT_EQ(second.rules[0].path, "/a");
  EXPECT_TRUE(second.bulk.enabled);
  EXPECT_EQ(second.bulk.max_messages_count, 10);
  EXPECT_EQ(second.bulk.max_await_duration_ms, 20);

  for (const char* none : {"", "null", "[]"}) {
    const auto empty = parse_subscriptions(none, "app");
    ASSERT_TRUE(empty) << none;
    EXPECT_THAT(*empty, IsEmpty());
  }
}

TEST(Subscriptions, WhatIsWrongIsNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"{", "is not JSON"},
      {"<html>", "is not JSON"},
      {"{}", "is not a list"},
      {"7", "is not a list"},
      {"[7]", "entry 1 of"},
      {R"([{"pubsubname":"bus","topic":"t","route":"/r"},[]])", "entry 2 of"},
      {R"([{"pubsubname":"bus","topic":"t","routes":{"rules":[7]}}])", "a rule that is not an object"},
  };
  for (const auto& [text, message] : cases) {
    const auto parsed = parse_subscriptions(text, "shop");
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Code::kInvalidArgument);
    EXPECT_THAT(parsed.error().message, HasSubstr(message)) << text;
    EXPECT_THAT(parsed.error().message, HasSubstr("app shop")) << text;
  }
  // As deep as it may be sent.
  EXPECT_FALSE(parse_subscriptions(std::string(100'000, '['), "shop"));
}

TEST(Subscriptions, AnEntryThatLacksSomethingCostsNoOther) {
  const auto parsed =
      parse_subscriptions(R"([{"route":"/r"},{"pubsubname":7,"topic":"t"},{"pubsubname":"bus","topic":"t",
      "routes":{}},{"pubsubname":"bus","topic":"good","route":"/r"}])",
                          "shop");
  ASSERT_TRUE(parsed) << parsed.error().message;
  ASSERT_EQ(parsed->size(), 4u);
  EXPECT_EQ((*parsed)[3].topic, "good");
}

TEST(Subscriptions, AreAskedFor) {
  AskedApp app;
  const auto ask = [&] {
    Result<std::vector<config::Subscription>> got = fail(Code::kUnknown, "nothing");
    fetch_subscriptions(app, "app", std::chrono::seconds(5),
                        [&](Result<std::vector<config::Subscription>> answer) { got = std::move(answer); });
    return got;
  };
  app.answer = R"([{"pubsubname":"bus","topic":"t","route":"/r"}])";
  ASSERT_TRUE(ask());
  EXPECT_EQ(app.method, "GET");
  EXPECT_EQ(app.target, "/dapr/subscribe");
  EXPECT_EQ(ask()->size(), 1u);
  for (const int none : {404, 204}) {
    app.status = none;
    ASSERT_TRUE(ask());
    EXPECT_EQ(ask()->size(), 0u);
  }
  app.status = 500;
  const auto failed = ask();
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("answered 500"));
  app.status = 200;
  app.answer = std::string(1024 * 1024 + 1, ' ');
  EXPECT_EQ(ask().error().code, Code::kResourceExhausted);
  app.breaks_off = true;
  EXPECT_FALSE(ask());
}

// ---- the app's own port ----

TraceContext trace_behind_door(net::OwnedHeaders headers, double rate) {
  AskedApp app;
  const telemetry::Sampler sampler(rate);
  FrontDoor door(app, sampler);
  net::OwnedRequest request;
  request.headers = std::move(headers);
  class Nobody final : public net::ResponseSink {
    void on_head(int, net::Headers) override {}
    void on_body(std::string_view, Completion<void> resume) override { resume({}); }
    void on_end(net::Headers) override {}
    void on_error(Error) override {}
  };
  door.handle(net::make_in_process_exchange(std::move(request), std::string(), {}, std::make_unique<Nobody>()));
  return app.trace;
}

TEST(FrontDoor, ContinuesATraceOrStartsOne) {
  const std::string parent = "00-11111111111111111111111111111111-2222222222222222-01";
  const TraceContext continued = trace_behind_door({{"traceparent", parent}, {"tracestate", "a=b"}}, 0);
  EXPECT_EQ(telemetry::trace_id_of(continued), "11111111111111111111111111111111");
  EXPECT_NE(continued.traceparent, parent);
  EXPECT_EQ(continued.tracestate, "a=b");
  EXPECT_TRUE(telemetry::parse_traceparent(continued.traceparent)->sampled());

  const TraceContext sampled = trace_behind_door({}, 1);
  ASSERT_TRUE(telemetry::parse_traceparent(sampled.traceparent));
  EXPECT_TRUE(telemetry::parse_traceparent(sampled.traceparent)->sampled());

  const TraceContext broken = trace_behind_door({{"traceparent", "nonsense"}, {"tracestate", "a=b"}}, 1);
  EXPECT_NE(telemetry::trace_id_of(broken), telemetry::trace_id_of(sampled));
  EXPECT_EQ(broken.tracestate, "");
  // Without its parent a state says nothing.
  EXPECT_EQ(trace_behind_door({{"tracestate", "a=b"}}, 1).tracestate, "");
}

}  // namespace
}  // namespace tandem::app
