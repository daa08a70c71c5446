// ExternalApp: a program outside the process, over real connections to servers of the test.

#include "app/external_app.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "app/collect_sink.h"
#include "net/in_process.h"
#include "net/testing/leaving_exchange.h"
#include "net/testing/raw_client.h"
#include "net/testing/scripted_server.h"

namespace tandem::app {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const Logger& quiet() {
  static const Logger log(Logger::Options{.level = LogLevel::kFatal});
  return log;
}

// True once he has left.
using Caller = std::shared_ptr<std::atomic<bool>>;
Caller staying() { return std::make_shared<std::atomic<bool>>(false); }

// One app over one worker.
class Outside final {
 public:
  explicit Outside(std::uint16_t port, std::function<void(ExternalOptions&)> change = nullptr) {
    ExternalOptions options;
    options.app_id = "prog";
    options.port = port;
    if (change) change(options);
    app_ = std::make_unique<ExternalApp>(options, quiet(), workers_);
    workers_.start();
  }
  ~Outside() {
    app_->stop(std::chrono::steady_clock::now());
    workers_.stop();
  }

  std::future<Result<CollectedAnswer>> call(net::OwnedRequest request, std::string body = {},
                                            SteadyTime deadline = SteadyTime::max(), Caller caller = staying()) {
    const auto promise = std::make_shared<std::promise<Result<CollectedAnswer>>>();
    auto future = promise->get_future();
    workers_[0].post([this, promise, deadline, caller = std::move(caller), request = std::move(request),
                      body = std::move(body)]() mutable {
      auto sink = std::make_unique<CollectSink>(
          1 << 20, [promise](Result<CollectedAnswer> answer) { promise->set_value(std::move(answer)); });
      CallContext context;
      context.deadline = deadline;
      app_->handler(0).handle(std::make_unique<net::LeavingExchange>(
          net::make_in_process_exchange(std::move(request), std::move(body), std::move(context), std::move(sink)),
          std::move(caller)));
    });
    return future;
  }
  CollectedAnswer get(std::string target, net::OwnedHeaders headers = {}) {
    net::OwnedRequest request;
    request.target = std::move(target);
    request.headers = std::move(headers);
    auto answer = call(std::move(request)).get();
    EXPECT_TRUE(answer.has_value());
    return answer.value_or(CollectedAnswer{});
  }
  template <class T>
  Result<T> ask(std::function<void(Completion<T>)> question) {
    std::promise<Result<T>> promise;
    workers_[0].post([&] { question([&](Result<T> answer) { promise.set_value(std::move(answer)); }); });
    return promise.get_future().get();
  }
  Result<std::unique_ptr<net::HttpServer>> listen() {
    return net::HttpServer::listen(workers_, {}, [this](net::Worker&) -> net::Handler& { return app_->handler(0); });
  }
  ExternalApp& app() { return *app_; }

 private:
  net::Workers workers_{1};
  std::unique_ptr<ExternalApp> app_;
};

// Listens on no port, and takes one all the same: connections are refused.
class TakenPort final {
 public:
  TakenPort() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to);
    socklen_t size = sizeof to;
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&to), &size);
    port_ = ntohs(to.sin_port);
  }
  ~TakenPort() { ::close(socket_); }
  void listen() const { ::listen(socket_, 16); }
  std::uint16_t port() const { return port_; }

 private:
  const int socket_;
  std::uint16_t port_ = 0;
};

std::string ok(std::string_view body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

TEST(ExternalApp, SendsWhatIsTheCallersAndItsToken) {
  net::ScriptedServer server({{ok("hello")}});
  Outside outside(server.port(), [](ExternalOptions& options) { options.api_token = "ours"; });
  const CollectedAnswer answer = outside.get("/a?b=c", {{"x-mine", "1"},
                                                        {"host", "localhost:3500"},
                                                        {"connection", "x-hop"},
                                                        {"x-hop", "2"},
                                                        {"dapr-api-token", "theirs"}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_THAT(server.requests(), AllOf(StartsWith("GET /a?b=c HTTP/1.1\r\n"), HasSubstr("x-mine: 1\r\n"),
                                       HasSubstr("dapr-api-token: ours\r\n"),
                                       HasSubstr("Host: 127.0.0.1:" + std::to_string(server.port()) + "\r\n")));
  EXPECT_THAT(server.requests(), AllOf(Not(HasSubstr("theirs")), Not(HasSubstr("x-hop")), Not(HasSubstr("3500"))));
}

TEST(ExternalApp, AHeadHasNoLengthAsFromDaprd) {
  net::ScriptedServer server({{"HTTP/1.1 200 OK\r\nContent-Length: 42\r\nx-mine: 1\r\n\r\n"}});
  Outside outside(server.port());
  const auto door = outside.listen();
  ASSERT_TRUE(door.has_value());
  net::RawClient client((*door)->port());
  client.send("HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(client.read_until("\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("x-mine: 1\r\n"), Not(HasSubstr("Content-Length")),
                    Not(HasSubstr("Transfer-Encoding"))));
}

TEST(ExternalApp, SaysWhyItCannotBeCalled) {
  TakenPort port;
  Outside outside(port.port());
  net::OwnedRequest request;
  request.target = "/x";
  const auto refused = outside.call(request).get();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::kInternal);
  const std::string place = "127.0.0.1:" + std::to_string(port.port());
  EXPECT_EQ(refused.error().message,
            R"(Get "http://)" + place + R"(/x": dial tcp )" + place + ": connect: connection refused");
  net::OwnedRequest odd;
  odd.method = "BREW";
  EXPECT_THAT(outside.call(odd).get().error().message, HasSubstr("code = InvalidArgument desc = invalid HTTP verb"));
}

TEST(ExternalApp, AnAnswerThatBreaksOffIsNoAnswer) {
  net::ScriptedServer server({{"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"}, {"nonsense\r\n\r\n"}});
  Outside outside(server.port());
  net::OwnedRequest request;
  EXPECT_FALSE(outside.call(request).get().has_value());
  EXPECT_EQ(outside.call(request).get().error().code, Code::kInternal);
}

TEST(ExternalApp, ADeadlineEndsTheCall) {
  TakenPort port;  // takes connections and says nothing
  port.listen();
  Outside outside(port.port());
  const auto answer = outside.call({}, {}, std::chrono::steady_clock::now() + milliseconds(50)).get();
  ASSERT_FALSE(answer.has_value());
  EXPECT_THAT(answer.error().message, HasSubstr("context deadline exceeded"));
}

// The head of an answer that does not go on until the connection is closed.
const net::ScriptedServer::Script kHangs = {"HTTP/1.1 ", ""};

net::OwnedRequest to(std::string target) {
  net::OwnedRequest request;
  request.target = std::move(target);
  return request;
}

TEST(ExternalApp, ACallerThatLeavesMakesRoomForTheNext) {
  net::ScriptedServer server({kHangs, {ok("next")}});
  Outside outside(server.port(), [](ExternalOptions& options) { options.max_concurrency = 1; });
  const Caller caller = staying();
  auto left = outside.call(to("/left"), {}, SteadyTime::max(), caller);
  const Caller impatient = staying();
  auto waiting = outside.call(to("/waiting"), {}, SteadyTime::max(), impatient);
  auto next = outside.call(to("/next"));
  impatient->store(true);
  EXPECT_EQ(waiting.get()->status, 500);  // nobody hears it
  caller->store(true);
  EXPECT_EQ(left.get()->status, 500);
  EXPECT_EQ(next.get()->body, "next");
  EXPECT_THAT(server.requests(), Not(HasSubstr("/waiting")));
}

TEST(ExternalApp, ADeadlineEndsTheWaitForATurn) {
  net::ScriptedServer server({kHangs, {ok("next")}});
  Outside outside(server.port(), [](ExternalOptions& options) { options.max_concurrency = 1; });
  const Caller caller = staying();
  auto inside = outside.call(to("/inside"), {}, SteadyTime::max(), caller);
  const auto late = outside.call(to("/late"), {}, std::chrono::steady_clock::now() + milliseconds(20)).get();
  ASSERT_FALSE(late.has_value());
  EXPECT_THAT(late.error().message, HasSubstr("context deadline exceeded"));
  caller->store(true);
  EXPECT_EQ(inside.get()->status, 500);
  EXPECT_EQ(outside.call(to("/next")).get()->body, "next");
  EXPECT_THAT(server.requests(), Not(HasSubstr("/late")));
}

TEST(ExternalApp, ACallThatIsOverdueIsNotMade) {
  net::ScriptedServer server({{ok("never")}});
  Outside outside(server.port());
  const auto late = outside.call(to("/late"), {}, std::chrono::steady_clock::now()).get();
  ASSERT_FALSE(late.has_value());
  EXPECT_THAT(late.error().message, HasSubstr("context deadline exceeded"));
  EXPECT_EQ(server.accepted(), 0);
}

TEST(ExternalApp, AStopEndsWhatWaits) {
  TakenPort port;
  port.listen();
  std::vector<std::future<Result<CollectedAnswer>>> calls;
  {
    Outside outside(port.port(), [](ExternalOptions& options) { options.max_concurrency = 1; });
    for (int i = 0; i < 3; ++i) calls.push_back(outside.call({}));
  }
  for (auto& call : calls) {
    EXPECT_FALSE(call.get().has_value());
  }
}

TEST(ExternalApp, WaitsForItsPortAndLongerNever) {
  TakenPort port;
  {
    Outside outside(port.port());
    auto waiting = std::async(std::launch::async, [&] { return outside.app().warm_up(); });
    port.listen();
    EXPECT_TRUE(waiting.get().has_value());
  }
  TakenPort silent;
  Outside outside(silent.port());
  auto waiting = std::async(std::launch::async, [&] { return outside.app().warm_up(); });
  outside.app().stop(std::chrono::steady_clock::now());
  EXPECT_EQ(waiting.get().error().code, Code::kCancelled);
}

TEST(ExternalApp, AProbeIsNoCall) {
  net::ScriptedServer server({{"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"}});
  Outside outside(server.port(), [](ExternalOptions& options) {
    options.api_token = "ours";
    options.health_path = "/live";
  });
  const auto probe = [&] {
    return outside.ask<void>(
        [&](Completion<void> done) { outside.app().probe_health(milliseconds(5000), std::move(done)); });
  };
  EXPECT_TRUE(probe().has_value());
  EXPECT_THAT(probe().error().message, HasSubstr("status code: 503"));
  EXPECT_THAT(server.requests(), AllOf(HasSubstr("GET /live HTTP/1.1\r\n"), Not(HasSubstr("dapr-api-token"))));
}

TEST(ExternalApp, AProbeHasATimeToAnswerIn) {
  TakenPort port;
  port.listen();
  Outside outside(port.port());
  const auto status =
      outside.ask<void>([&](Completion<void> done) { outside.app().probe_health(milliseconds(30), std::move(done)); });
  EXPECT_THAT(status.error().message, HasSubstr("Network error"));
}

TEST(ExternalApp, ReadsConfigAndSubscriptions) {
  net::ScriptedServer server(
      {{ok(R"({"entities":["c"]})"), ok(R"([{"pubsubname":"bus","topic":"news","route":"/n"}])")}});
  Outside outside(server.port());
  EXPECT_TRUE(
      outside.ask<void>([&](Completion<void> done) { outside.app().load_config(std::move(done)); }).has_value());
  using List = std::vector<config::Subscription>;
  const auto list =
      outside.ask<List>([&](Completion<List> done) { outside.app().list_subscriptions(std::move(done)); });
  ASSERT_TRUE(list.has_value());
  ASSERT_EQ(list->size(), 1u);
  EXPECT_EQ(list->front().topic, "news");
  EXPECT_THAT(server.requests(), HasSubstr("dapr-app-id: prog\r\n"));
}

}  // namespace
}  // namespace tandem::app
