#include "policy/guarded_invocation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <vector>

#include "policy/testing/policies_on_a_clock.h"

namespace tandem::policy {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kSpec = R"(  policies:
    timeouts: {quick: 500ms}
    retries:
      twice: {duration: 100ms, maxRetries: 2}
      some: {duration: 100ms, maxRetries: 2, matching: {httpStatusCodes: "503"}}
    circuitBreakers:
      cb: {trip: consecutiveFailures > 1}
  targets:
    apps:
      app: {timeout: quick, retry: twice}
      some: {retry: some}
      once: {timeout: quick}
      broken: {circuitBreaker: cb}
)";

// The caller's side: what it has got, in words.
struct Caller {
  std::vector<std::string> got;
  bool left = false;
};

class CallersExchange final : public net::Exchange, private net::BodySource {
 public:
  CallersExchange(Caller& caller, std::vector<net::Header> headers, std::deque<std::string> pieces, bool whole)
      : caller_(caller), headers_(std::move(headers)), pieces_(std::move(pieces)), whole_(whole) {
    head_ = {.method = "POST", .scheme = "http", .authority = "app", .target = "/m?q=1", .headers = headers_};
  }
  const net::RequestHead& head() const override { return head_; }
  net::BodySource& body() override { return *this; }
  CallContext& context() override { return context_; }
  void respond(int status, net::Headers, std::string_view body) override {
    caller_.got.push_back(std::to_string(status) + " " + std::string(body));
  }
  void start(int status, net::Headers) override { caller_.got.push_back("start " + std::to_string(status)); }
  void write(std::string_view piece, Completion<void> done) override {
    caller_.got.emplace_back(piece);
    done({});
  }
  void finish(net::Headers) override { caller_.got.emplace_back("end"); }
  void abort() override { caller_.got.emplace_back("cut"); }
  void refuse(const Error& error) override { caller_.got.push_back(error.message); }
  bool gone() const override { return caller_.left; }

 private:
  void read(Completion<std::string_view> done) override {
    if (pieces_.empty()) return done(std::string_view());
    piece_ = std::move(pieces_.front());
    pieces_.pop_front();
    done(std::string_view(piece_));
  }
  std::optional<std::string_view> take_whole() override {
    if (!whole_) return std::nullopt;
    piece_ = pieces_.empty() ? std::string() : pieces_.front();
    return piece_;
  }

  Caller& caller_;
  const std::vector<net::Header> headers_;
  net::RequestHead head_;
  CallContext context_;
  std::deque<std::string> pieces_;
  std::string piece_;
  const bool whole_;
};

// The app: keeps the exchanges and what their bodies were.
class App final : public net::Handler {
 public:
  void handle(std::unique_ptr<net::Exchange> exchange) override {
    EXPECT_EQ(exchange->head().target, "/m?q=1");
    std::string body;
    if (const auto whole = exchange->body().take_whole()) {
      body = *whole;
    } else {
      for (bool more = true; more;) {
        exchange->body().read([&](Result<std::string_view> piece) {
          more = piece && !piece->empty();
          if (more) body += *piece;
        });
      }
    }
    bodies.push_back(body);
    if (answers.empty()) {
      waiting.push_back(std::move(exchange));
    } else {
      const auto answer = std::move(answers.front());
      answers.pop_front();
      answer(*exchange);
    }
  }

  std::deque<std::function<void(net::Exchange&)>> answers;
  std::vector<std::unique_ptr<net::Exchange>> waiting;
  std::vector<std::string> bodies;
};

std::function<void(net::Exchange&)> with(int status) {
  return [status](net::Exchange& exchange) { exchange.respond(status, {}, "said"); };
}

std::function<void(net::Exchange&)> unreachable() {
  return [](net::Exchange& exchange) { exchange.refuse(make_error(Code::kUnavailable, "nobody there")); };
}

class GuardedInvocationTest : public testing::Test {
 protected:
  void call(std::string_view target, std::vector<net::Header> headers = {}, std::deque<std::string> pieces = {"body"},
            bool whole = true) {
    Protection protection = policies_.resilience().app(target, std::string(target) + ":m");
    ASSERT_TRUE(protection);
    GuardedInvocation::start(std::move(protection), policies_.loop(), app_,
                             std::make_unique<CallersExchange>(caller_, std::move(headers), std::move(pieces), whole));
  }
  void pass(std::chrono::milliseconds time) { policies_.loop().advance(time); }

  PoliciesOnAClock policies_{kSpec};
  App app_;
  Caller caller_;
};

TEST_F(GuardedInvocationTest, AFailureIsTriedAgainWithTheSameBody) {
  app_.answers = {with(500), unreachable(), with(200)};
  call("app");
  EXPECT_TRUE(caller_.got.empty());
  pass(100ms);
  pass(100ms);
  EXPECT_THAT(caller_.got, ElementsAre("200 said"));
  EXPECT_THAT(app_.bodies, ElementsAre("body", "body", "body"));
}

TEST_F(GuardedInvocationTest, TheLastFailureIsTheAnswer) {
  app_.answers = {with(500), with(500), with(404)};
  call("app");
  pass(1s);
  EXPECT_THAT(caller_.got, ElementsAre("404 said"));
  app_.answers = {with(500), with(500), unreachable()};
  call("app");
  pass(1s);
  EXPECT_EQ(caller_.got.back(), "nobody there");
}

TEST_F(GuardedInvocationTest, MatchingSaysWhichStatusIsTriedAgain) {
  app_.answers = {with(503), with(500)};
  call("some");
  pass(1s);
  EXPECT_THAT(caller_.got, ElementsAre("500 said"));
  app_.answers = {unreachable(), with(302)};
  call("some");
  pass(1s);
  EXPECT_EQ(caller_.got.back(), "302 said");
}

TEST_F(GuardedInvocationTest, AnAnswerThatTakesTooLongIsTriedAgain) {
  call("app");
  pass(1700ms);
  EXPECT_THAT(caller_.got, ElementsAre("context deadline exceeded"));
  ASSERT_EQ(app_.waiting.size(), 3U);
  EXPECT_TRUE(app_.waiting[0]->gone());
  app_.waiting[0]->respond(200, {}, "late");
  app_.waiting.clear();
  EXPECT_EQ(caller_.got.size(), 1U);
}

TEST_F(GuardedInvocationTest, AStreamThatTakesTooLongIsCut) {
  call("app");
  app_.waiting[0]->start(200, {});
  app_.waiting[0]->write("piece", [](Status written) { EXPECT_TRUE(written); });
  pass(500ms);
  EXPECT_THAT(caller_.got, ElementsAre("start 200", "piece", "cut"));
  app_.waiting[0]->write("more", [](Status written) { EXPECT_FALSE(written); });
  app_.waiting[0]->finish({});
  pass(10s);
  EXPECT_EQ(caller_.got.size(), 3U);
  EXPECT_EQ(app_.bodies.size(), 1U);
}

TEST_F(GuardedInvocationTest, AnAnswerStreamsThrough) {
  call("app");
  app_.waiting[0]->start(200, {});
  app_.waiting[0]->write("piece", [](Status) {});
  app_.waiting[0]->finish({});
  app_.waiting.clear();
  pass(10s);
  EXPECT_THAT(caller_.got, ElementsAre("start 200", "piece", "end"));
}

TEST_F(GuardedInvocationTest, ABodyWithALengthIsKept) {
  const std::vector<net::Header> headers = {{"content-length", "4"}};
  app_.answers = {with(500), with(200)};
  call("app", headers, {"bo", "dy"}, false);
  pass(1s);
  EXPECT_THAT(caller_.got, ElementsAre("200 said"));
  EXPECT_THAT(app_.bodies, ElementsAre("body", "body"));
}

TEST_F(GuardedInvocationTest, ABodyWithoutALengthIsSentOnce) {
  app_.answers = {with(500)};
  call("app", {}, {"bo", "dy"}, false);
  pass(1s);
  EXPECT_THAT(caller_.got, ElementsAre("500 said"));
  EXPECT_THAT(app_.bodies, ElementsAre("body"));
}

TEST_F(GuardedInvocationTest, NobodyIsAskedForACallerWhoHasLeft) {
  app_.answers = {with(500)};
  caller_.left = true;
  call("app");
  pass(1s);
  EXPECT_EQ(app_.bodies.size(), 1U);
  // Nor when he leaves between two attempts.
  caller_.left = false;
  app_.answers = {with(500)};
  call("app");
  caller_.left = true;
  pass(1s);
  EXPECT_EQ(app_.bodies.size(), 2U);
}

TEST_F(GuardedInvocationTest, AnExchangeThatIsDroppedIsAFailure) {
  app_.answers = {[](net::Exchange&) {}, with(200)};
  call("app");
  pass(1s);
  EXPECT_THAT(caller_.got, ElementsAre("200 said"));
}

TEST_F(GuardedInvocationTest, AnOpenBreakerAsksNobody) {
  app_.answers = {with(500), unreachable()};
  call("broken");
  call("broken");
  call("broken");
  EXPECT_THAT(caller_.got, ElementsAre("500 said", "nobody there", "circuit breaker is open"));
  EXPECT_EQ(app_.bodies.size(), 2U);
  EXPECT_THAT(policies_.metrics(), HasSubstr("target=\"app_broken\""));
  // Of another method of the app nothing is known.
  app_.answers = {with(200)};
  GuardedInvocation::start(
      policies_.resilience().app("broken", "broken:other"), policies_.loop(), app_,
      std::make_unique<CallersExchange>(caller_, std::vector<net::Header>(), std::deque<std::string>(), true));
  EXPECT_EQ(caller_.got.back(), "200 said");
}

TEST_F(GuardedInvocationTest, OnceIsOnce) {
  call("once");
  pass(500ms);
  EXPECT_THAT(caller_.got, ElementsAre("context deadline exceeded"));
  EXPECT_EQ(app_.bodies.size(), 1U);
  app_.waiting.clear();
}

}  // namespace
}  // namespace tandem::policy
