#include "app/grpc/grpc_app.h"

#include <gmock/gmock.h>
#include <grpcpp/channel.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "app/grpc/testing/callback_server.h"
#include "net/in_process.h"
#include "net/testing/leaving_exchange.h"

namespace tandem::app::grpc {
namespace {

using ::dapr::proto::common::v1::HTTPExtension;
using ::grpc::StatusCode;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

struct Answer {
  int status = 0;
  std::multimap<std::string, std::string> headers;
  std::string body;
  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

class AnswerSink final : public net::ResponseSink {
 public:
  explicit AnswerSink(std::promise<Answer> promise) : promise_(std::move(promise)) {}
  void on_head(int status, net::Headers headers) override {
    answer_.status = status;
    for (const net::Header& one : headers) answer_.headers.emplace(one.name, one.value);
  }
  void on_body(std::string_view piece, Completion<void> resume) override {
    answer_.body += piece;
    resume({});
  }
  void on_end(net::Headers) override { promise_.set_value(std::move(answer_)); }
  void on_error(Error error) override {
    answer_.body = error.message;
    promise_.set_value(std::move(answer_));
  }

 private:
  std::promise<Answer> promise_;
  Answer answer_;
};

// A body that comes byte by byte.
class SlowBody final : public net::BodySource {
 public:
  explicit SlowBody(std::string bytes) : bytes_(std::move(bytes)) {}
  void read(Completion<std::string_view> done) override {
    const std::size_t at = std::min(at_, bytes_.size());
    at_ += 1;
    done(std::string_view(bytes_).substr(at, 1));
  }
  std::optional<std::string_view> take_whole() override { return std::nullopt; }

 private:
  const std::string bytes_;
  std::size_t at_ = 0;
};

// True once he has left.
using Caller = std::shared_ptr<std::atomic<bool>>;
Caller staying() { return std::make_shared<std::atomic<bool>>(false); }

class GrpcAppTest : public testing::Test {
 protected:
  GrpcAppTest() { workers_.start(); }
  ~GrpcAppTest() override {
    if (app_) app_->stop(std::chrono::steady_clock::now());
    workers_.stop();
  }

  void make(GrpcAppOptions options = {}) {
    options.app_id = "app";
    options.port = options.port == 0 ? program_.port() : options.port;
    app_ = std::make_unique<GrpcApp>(std::move(options), Logger({.fd = -1}), workers_);
  }

  std::future<Answer> start(const std::string& target, net::RequestBody body = std::string(),
                            net::OwnedHeaders headers = {}, CallContext context = {}, Caller caller = staying()) {
    std::promise<Answer> promise;
    auto answer = promise.get_future();
    workers_[0].post([this, target, body = std::move(body), headers = std::move(headers), context,
                      caller = std::move(caller), sink = std::make_unique<AnswerSink>(std::move(promise))]() mutable {
      net::OwnedRequest request{.method = "POST", .target = target, .headers = std::move(headers)};
      app_->handler(0).handle(std::make_unique<net::LeavingExchange>(
          net::make_in_process_exchange(std::move(request), std::move(body), std::move(context), std::move(sink)),
          std::move(caller)));
    });
    return answer;
  }
  Answer invoke(const std::string& target, const std::string& body = "", net::OwnedHeaders headers = {}) {
    return start(target, body, std::move(headers)).get();
  }

  Result<pubsub::Verdict> deliver(std::string event) {
    std::promise<Result<pubsub::Verdict>> promise;
    app_->deliver(
        {.pubsub = "bus", .topic = "orders", .route = "", .body = share(std::move(event)), .content_type = {}},
        [&](Result<pubsub::Verdict> verdict) { promise.set_value(std::move(verdict)); });
    return promise.get_future().get();
  }
  template <class T, class Ask>
  Result<T> ask(Ask question) {
    std::promise<Result<T>> promise;
    workers_[0].post([&] { question([&](Result<T> answer) { promise.set_value(std::move(answer)); }); });
    return promise.get_future().get();
  }

  CallbackServer program_;
  net::Workers workers_{2};
  std::unique_ptr<GrpcApp> app_;
};

TEST_F(GrpcAppTest, AnExchangeIsAnInvocation) {
  make({.api_token = "secret"});
  const Answer answer = invoke("/echo?q=1", "hello", {{"Content-Type", "text/plain"}, {"X-Own", "yes"}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(answer.header("content-type"), "text/plain");
  EXPECT_EQ(answer.header("x-from"), "the app");
  EXPECT_EQ(program_.invoked().http_extension().querystring(), "q=1");
  EXPECT_EQ(program_.invoked().http_extension().verb(), HTTPExtension::POST);
  const auto metadata = program_.metadata();
  EXPECT_EQ(metadata.find("x-own")->second, "yes");
  EXPECT_EQ(metadata.find("dapr-content-type")->second, "text/plain");
  EXPECT_EQ(metadata.find("dapr-api-token")->second, "secret");
}

TEST_F(GrpcAppTest, ABodyInPiecesIsGatheredUpToTheLimit) {
  make({.max_message_bytes = 4096});
  EXPECT_EQ(start("/echo", std::make_unique<SlowBody>("in pieces")).get().body, "in pieces");
  const Answer large = start("/echo", std::make_unique<SlowBody>(std::string(5000, 'x'))).get();
  EXPECT_EQ(large.status, 429);
  EXPECT_THAT(large.body, HasSubstr("trying to send message larger than max"));
  EXPECT_EQ(invoke("/echo", std::string(5000, 'x')).status, 429);
}

TEST_F(GrpcAppTest, TypedDataAreProtobuf) {
  make();
  program_.answer_type_url = "type.googleapis.com/x.Y";
  EXPECT_EQ(invoke("/echo", "x", {{"content-type", "text/plain"}}).header("content-type"), "application/x-protobuf");
}

TEST_F(GrpcAppTest, AStatusOfTheAppIsAnHttpStatus) {
  make();
  program_.status = {StatusCode::NOT_FOUND, "no such order"};
  const Answer answer = invoke("/fail");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.body, R"({"code":5,"message":"no such order"})");
  EXPECT_EQ(answer.header("content-type"), "text/plain; charset=utf-8");
}

TEST_F(GrpcAppTest, AnAppThatIsNotThereIsUnavailable) {
  make();
  program_.stop();
  EXPECT_EQ(invoke("/echo").status, 503);
}

TEST_F(GrpcAppTest, ADeadlineEndsAnInvocation) {
  make();
  CallContext context;
  context.deadline = std::chrono::steady_clock::now() + milliseconds(100);
  EXPECT_EQ(start("/hang", std::string(), {}, context).get().status, 504);
  EXPECT_TRUE(program_.wait_inside(0));
}

TEST_F(GrpcAppTest, CallsWaitForTheirTurn) {
  make({.max_concurrency = 2});
  std::vector<std::future<Answer>> answers;
  for (int i = 0; i < 6; ++i) answers.push_back(start("/hang"));
  ASSERT_TRUE(program_.wait_inside(2));
  program_.let_go();
  for (auto& answer : answers) EXPECT_EQ(answer.get().status, 200);
  EXPECT_EQ(program_.most_inside(), 2);
}

TEST_F(GrpcAppTest, ACallerThatLeavesMakesRoomForTheNext) {
  make({.max_concurrency = 1});
  const Caller caller = staying();
  auto left = start("/hang", std::string(), {}, {}, caller);
  ASSERT_TRUE(program_.wait_inside(1));
  const Caller impatient = staying();
  auto waiting = start("/fail", std::string(), {}, {}, impatient);
  auto next = start("/echo", std::string("next"));
  impatient->store(true);
  EXPECT_EQ(waiting.get().status, 500);  // nobody hears it
  EXPECT_EQ(program_.invoked().method(), "hang");
  caller->store(true);
  EXPECT_EQ(left.get().status, 408);
  EXPECT_EQ(next.get().body, "next");
}

TEST_F(GrpcAppTest, ADeadlineEndsTheWaitForATurn) {
  make({.max_concurrency = 1});
  auto inside = start("/hang");
  ASSERT_TRUE(program_.wait_inside(1));
  CallContext context;
  context.deadline = std::chrono::steady_clock::now() + milliseconds(20);
  EXPECT_EQ(start("/fail", std::string(), {}, context).get().status, 504);
  EXPECT_EQ(program_.invoked().method(), "hang");
  program_.let_go();
  EXPECT_EQ(inside.get().status, 200);
  EXPECT_EQ(invoke("/echo", "next").body, "next");
}

TEST_F(GrpcAppTest, ACallThatIsOverdueIsNotMade) {
  make({.max_concurrency = 1});
  CallContext context;
  context.deadline = std::chrono::steady_clock::now();
  EXPECT_EQ(start("/fail", std::string(), {}, context).get().status, 504);
  EXPECT_EQ(invoke("/echo", "next").body, "next");
  EXPECT_EQ(program_.invoked().method(), "echo");
}

TEST_F(GrpcAppTest, AnEventOfABindingIsDeliveredAndItsAnswerComesBack) {
  make({.api_token = "secret"});
  const auto take = [this] {
    std::promise<Result<bindings::AppAnswer>> promise;
    app_->take({.binding = "timer",
                .route = "/ignored",
                .data = "tick",
                .metadata = {{"readTimeUTC", "now"}},
                .trace = {"00-11111111111111111111111111111111-2222222222222222-01", ""}},
               [&](Result<bindings::AppAnswer> answer) { promise.set_value(std::move(answer)); });
    return promise.get_future().get();
  };
  program_.binding_answer.set_data("thanks");
  program_.binding_answer.add_to("store");
  program_.binding_answer.set_concurrency(CallbackServer::BindingEventResponse::PARALLEL);
  const auto answer = take();
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->data, "thanks");
  EXPECT_THAT(answer->to, testing::ElementsAre("store"));
  EXPECT_EQ(answer->order, bindings::AppAnswer::Order::kParallel);
  EXPECT_EQ(program_.binding_event().name(), "timer");
  EXPECT_EQ(program_.binding_event().data(), "tick");
  EXPECT_EQ(program_.binding_event().metadata().at("readTimeUTC"), "now");
  const auto metadata = program_.metadata();
  EXPECT_EQ(metadata.find("dapr-api-token")->second, "secret");
  EXPECT_EQ(metadata.find("traceparent")->second, "00-11111111111111111111111111111111-2222222222222222-01");
  program_.status = {StatusCode::INTERNAL, "no"};
  EXPECT_EQ(take().error().message, "error invoking app: rpc error: code = Internal desc = no");
}

TEST_F(GrpcAppTest, ListsTheBindingsThatItTakesEventsOf) {
  using Reader = bindings::BindingEntry::Reader;
  using Names = std::vector<std::string>;
  make();
  const auto list = [this] {
    return ask<Names>([this](Completion<Names> done) {
      app_->list_bindings({{"timer", "timer", Reader::kAsk}, {"queue", "queue", Reader::kAsk}}, std::move(done));
    });
  };
  program_.input_bindings.add_bindings("queue");
  program_.input_bindings.add_bindings("unknown");
  EXPECT_THAT(list().value(), testing::ElementsAre("queue"));
  program_.status = {StatusCode::UNIMPLEMENTED, "no"};
  EXPECT_THAT(list().value(), testing::IsEmpty());
}

TEST_F(GrpcAppTest, AnEventIsDeliveredAndItsVerdictComesBack) {
  make({.api_token = "secret"});
  const std::string event = R"({"id":"7","datacontenttype":"text/plain","data":"hi","topic":"orders"})";
  EXPECT_EQ(deliver(event), pubsub::Verdict::kSuccess);
  EXPECT_EQ(program_.event().id(), "7");
  EXPECT_EQ(program_.event().data(), "hi");
  EXPECT_EQ(program_.event().path(), "");
  EXPECT_EQ(program_.metadata().find("dapr-api-token")->second, "secret");
  program_.event_status = CallbackServer::TopicEventResponse::RETRY;
  EXPECT_EQ(deliver(event), pubsub::Verdict::kRetry);
  program_.status = {StatusCode::UNIMPLEMENTED, ""};
  EXPECT_EQ(deliver(event), pubsub::Verdict::kDrop);
  program_.status = {StatusCode::INTERNAL, "broken"};
  EXPECT_EQ(deliver(event).error().message, "rpc error: code = Internal desc = broken");
  EXPECT_FALSE(deliver("no event"));
}

TEST_F(GrpcAppTest, ABulkIsDeliveredAndItsVerdictsComeBack) {
  using BulkService = CallbackServer::BulkService;
  make({.api_token = "token"});
  const auto deliver_bulk = [&](bool raw) {
    std::promise<Result<std::vector<pubsub::Verdict>>> promise;
    pubsub::BulkDelivery bulk{.id = "bulk",
                              .pubsub = "bus",
                              .topic = "orders",
                              .route = "/new",
                              .raw_payload = raw,
                              .metadata = {{"pubsubName", "bus"}}};
    for (const char* id : {"a", "b"}) {
      bulk.items.push_back({.entry_id = id,
                            .event = share(R"({"id":"1","datacontenttype":"text/plain","data":"x"})"),
                            .content_type = "application/cloudevents+json",
                            .metadata = {{"key", id}}});
    }
    // Cannot be read: it is tried again.
    if (!raw) bulk.items.push_back({.entry_id = "c", .event = share("no JSON")});
    app_->deliver_bulk(std::move(bulk),
                       [&](Result<std::vector<pubsub::Verdict>> verdicts) { promise.set_value(std::move(verdicts)); });
    return promise.get_future().get();
  };
  using pubsub::Verdict;
  for (const BulkService service : {BulkService::kStable, BulkService::kAlpha}) {
    program_.bulk_service = service;
    const auto verdicts = deliver_bulk(false);
    ASSERT_TRUE(verdicts) << verdicts.error().message;
    EXPECT_THAT(*verdicts, testing::ElementsAre(Verdict::kSuccess, Verdict::kSuccess, Verdict::kRetry));
    const auto bulk = program_.bulk();
    EXPECT_EQ(bulk.id(), "bulk");
    EXPECT_EQ(bulk.topic(), "orders");
    EXPECT_EQ(bulk.pubsub_name(), "bus");
    EXPECT_EQ(bulk.path(), "/new");
    EXPECT_EQ(bulk.type(), "com.dapr.event.sent.bulk");
    ASSERT_EQ(bulk.entries_size(), 2);
    EXPECT_EQ(bulk.entries(0).entry_id(), "a");
    EXPECT_EQ(bulk.entries(0).cloud_event().data(), "x");
    EXPECT_EQ(bulk.entries(1).metadata().at("key"), "b");
    EXPECT_EQ(program_.metadata().find("dapr-api-token")->second, "token");
    EXPECT_EQ(program_.metadata().find("pubsubname")->second, "bus");
  }
  program_.event_status = CallbackServer::TopicEventResponse::DROP;
  EXPECT_THAT(*deliver_bulk(true), testing::ElementsAre(Verdict::kDrop, Verdict::kDrop));
  EXPECT_EQ(program_.bulk().entries(0).bytes(), R"({"id":"1","datacontenttype":"text/plain","data":"x"})");
  program_.status = {StatusCode::INTERNAL, "broken"};
  EXPECT_FALSE(deliver_bulk(true));
  program_.bulk_service = BulkService::kNone;
  EXPECT_THAT(*deliver_bulk(true), testing::ElementsAre(Verdict::kDrop, Verdict::kDrop));
}

TEST_F(GrpcAppTest, TheAppSaysWhatItSubscribesTo) {
  make();
  using List = std::vector<config::Subscription>;
  const auto list = [&] {
    return ask<List>([&](Completion<List> done) { app_->list_subscriptions(std::move(done)); });
  };
  program_.subscriptions.add_subscriptions()->set_topic("orders");
  ASSERT_EQ(list()->size(), 1U);
  EXPECT_EQ(list()->front().topic, "orders");
  program_.status = {StatusCode::UNIMPLEMENTED, ""};
  EXPECT_TRUE(list()->empty());
  program_.status = {StatusCode::INTERNAL, "broken"};
  EXPECT_THAT(list().error().message, HasSubstr("error getting topic list from app: rpc error: code = Internal"));
}

TEST_F(GrpcAppTest, ItsHealthIsAskedFor) {
  make();
  const auto probe = [&](milliseconds timeout) {
    return ask<void>([&](Completion<void> done) { app_->probe_health(timeout, std::move(done)); });
  };
  EXPECT_TRUE(probe(seconds(10)));
  program_.status = {StatusCode::UNAVAILABLE, "overloaded"};
  EXPECT_THAT(probe(seconds(10)).error().message, HasSubstr("Health check failed: rpc error: code = Unavailable"));
  program_.stop();
  EXPECT_FALSE(probe(seconds(10)));
}

TEST_F(GrpcAppTest, WarmUpWaitsUntilTheAppListens) {
  const std::uint16_t port = program_.port();
  program_.stop();
  make({.port = port});
  auto warm = std::async(std::launch::async, [&] { return app_->warm_up(); });
  EXPECT_EQ(warm.wait_for(milliseconds(150)), std::future_status::timeout);
  CallbackServer later(port);
  EXPECT_TRUE(warm.get());
  EXPECT_EQ(invoke("/echo", "now").body, "now");
}

TEST_F(GrpcAppTest, AStopEndsTheWaitForTheApp) {
  program_.stop();
  make();
  auto warm = std::async(std::launch::async, [&] { return app_->warm_up(); });
  app_->stop(std::chrono::steady_clock::now());
  EXPECT_EQ(warm.get().error().code, Code::kCancelled);
}

TEST_F(GrpcAppTest, AStopCancelsWhatIsLeftAtItsDeadline) {
  make({.max_concurrency = 1});
  auto inside = start("/hang");
  ASSERT_TRUE(program_.wait_inside(1));
  auto waiting = start("/hang");
  app_->stop(std::chrono::steady_clock::now() + milliseconds(50));
  EXPECT_EQ(inside.get().status, 408);
  EXPECT_EQ(waiting.get().status, 0);  // no answer, but a reason
  EXPECT_THAT(invoke("/echo").body, HasSubstr("the app is going away"));
  EXPECT_EQ(deliver(R"({"id":"1"})").error().code, Code::kCancelled);
}

TEST_F(GrpcAppTest, ATurnThatComesAfterTheAppIsNobodys) {
  make({.max_concurrency = 1});
  const auto gate = app_->route().gate;
  Task other = [] {};  // of the route, which stays inside longer than the app
  ASSERT_TRUE(gate->enter(other));
  auto first = start("/echo");
  auto second = start("/echo");
  CallContext context;
  context.deadline = std::chrono::steady_clock::now() + milliseconds(1);
  EXPECT_EQ(start("/echo", std::string(), {}, context).get().status, 504);
  app_->stop(std::chrono::steady_clock::now());
  EXPECT_THAT(first.get().body, HasSubstr("the app is going away"));
  EXPECT_THAT(second.get().body, HasSubstr("the app is going away"));
  EXPECT_THAT(invoke("/echo").body, HasSubstr("the app is going away"));
  app_.reset();
  gate->leave();
  std::promise<void> free;
  Task last = [&] { free.set_value(); };  // those before it have given their turns on
  ASSERT_TRUE(gate->enter(last));
  free.get_future().get();
  EXPECT_EQ(program_.most_inside(), 0);
}

}  // namespace
}  // namespace tandem::app::grpc
