// MeteredHandler: every way in which an exchange can end is told once, with what was answered.

#include "policy/metered_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "policy/metered_endpoint.h"

namespace tandem::policy {
namespace {

using ::testing::ElementsAre;

class NoBody final : public net::BodySource {
 public:
  void read(Completion<std::string_view> done) override { done(std::string_view()); }
  std::optional<std::string_view> take_whole() override { return std::string_view(); }
};

// What a client of the exchange sees, in words.
class Client final : public net::Exchange {
 public:
  Client(std::string method, std::string& seen) : method_(std::move(method)), seen_(seen) {
    head_ = {.method = method_, .scheme = "http", .authority = "a", .target = "/t?q", .headers = {}};
  }
  ~Client() override { seen_ += " gone"; }
  const net::RequestHead& head() const override { return head_; }
  net::BodySource& body() override { return body_; }
  CallContext& context() override { return context_; }
  void respond(int status, net::Headers, std::string_view body) override {
    seen_ += " " + std::to_string(status) + ":" + std::string(body);
  }
  void start(int status, net::Headers) override { seen_ += " start " + std::to_string(status); }
  void write(std::string_view piece, Completion<void> done) override {
    seen_ += " " + std::string(piece);
    done({});
  }
  void finish(net::Headers) override { seen_ += " end"; }
  void abort() override { seen_ += " cut"; }
  bool gone() const override { return false; }

 private:
  const std::string method_;
  std::string& seen_;
  net::RequestHead head_;
  NoBody body_;
  CallContext context_;
};

class Notes final : public CallMeter {
 public:
  void started(const net::RequestHead& head) noexcept override { told.push_back("begin " + std::string(head.method)); }
  void finished(const net::RequestHead&, const telemetry::HttpCall& call) noexcept override {
    told.push_back(std::string(call.method) + " " + std::string(call.target) + " " + std::to_string(call.status) + " " +
                   std::to_string(call.response_bytes));
    EXPECT_GE(call.elapsed.count(), 0);
  }
  std::vector<std::string> told;
};

class Answering final : public net::Handler {
 public:
  explicit Answering(std::function<void(std::unique_ptr<net::Exchange>)> answer) : answer_(std::move(answer)) {}
  void handle(std::unique_ptr<net::Exchange> exchange) override { answer_(std::move(exchange)); }

 private:
  const std::function<void(std::unique_ptr<net::Exchange>)> answer_;
};

struct Outcome {
  std::string seen;
  std::vector<std::string> told;
};

Outcome call(std::function<void(std::unique_ptr<net::Exchange>)> answer, std::string method = "POST") {
  Outcome outcome;
  Notes notes;
  Answering app(std::move(answer));
  MeteredHandler door(app, notes);
  door.handle(std::make_unique<Client>(std::move(method), outcome.seen));
  outcome.told = std::move(notes.told);
  return outcome;
}

TEST(MeteredHandler, AWholeAnswer) {
  const Outcome outcome = call([](std::unique_ptr<net::Exchange> exchange) { exchange->respond(201, {}, "abc"); });
  EXPECT_EQ(outcome.seen, " 201:abc gone");
  EXPECT_THAT(outcome.told, ElementsAre("begin POST", "POST /t?q 201 3"));
}

TEST(MeteredHandler, AnAnswerInPieces) {
  const Outcome outcome = call([](std::unique_ptr<net::Exchange> exchange) {
    exchange->start(200, {});
    exchange->write("ab", [](Status) {});
    exchange->write("cde", [](Status) {});
    exchange->finish();
  });
  EXPECT_EQ(outcome.seen, " start 200 ab cde end gone");
  EXPECT_THAT(outcome.told, ElementsAre("begin POST", "POST /t?q 200 5"));
}

TEST(MeteredHandler, AnAnswerThatIsCutOff) {
  const Outcome outcome = call([](std::unique_ptr<net::Exchange> exchange) {
    exchange->start(200, {});
    exchange->write("ab", [](Status) {});
    exchange->abort();
  });
  EXPECT_EQ(outcome.seen, " start 200 ab cut gone");
  EXPECT_THAT(outcome.told, ElementsAre("begin POST", "POST /t?q 200 2"));
}

TEST(MeteredHandler, NoAnswerIsA500) {
  const Outcome outcome = call([](const std::unique_ptr<net::Exchange>&) {});
  EXPECT_EQ(outcome.seen, " gone");
  EXPECT_THAT(outcome.told, ElementsAre("begin POST", "POST /t?q 500 0"));
}

TEST(MeteredHandler, TheSecondAnswerCountsNothing) {
  const Outcome outcome = call([](std::unique_ptr<net::Exchange> exchange) {
    exchange->respond(200, {}, "one");
    exchange->respond(500, {}, "again");
    exchange->finish();
  });
  EXPECT_THAT(outcome.told, ElementsAre("begin POST", "POST /t?q 200 3"));
}

TEST(MeteredHandler, WhatIsLeftOutOnTheWireIsNotCounted) {
  EXPECT_THAT(call([](std::unique_ptr<net::Exchange> exchange) { exchange->respond(200, {}, "abc"); }, "HEAD").told,
              ElementsAre("begin HEAD", "HEAD /t?q 200 0"));
  EXPECT_THAT(call([](std::unique_ptr<net::Exchange> exchange) { exchange->respond(204, {}, "abc"); }).told,
              ElementsAre("begin POST", "POST /t?q 204 0"));
}

TEST(MeteredHandler, ManyAtOnceAndOneAfterTheOther) {
  std::vector<std::unique_ptr<net::Exchange>> held;
  Answering app([&](std::unique_ptr<net::Exchange> exchange) { held.push_back(std::move(exchange)); });
  Notes notes;
  MeteredHandler door(app, notes);
  std::string seen;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 200; ++i) door.handle(std::make_unique<Client>("GET", seen));
    for (auto& exchange : held) exchange->respond(200, {}, {});
    held.clear();
  }
  EXPECT_EQ(notes.told.size(), 1200u);
  EXPECT_EQ(std::ranges::count(notes.told, "GET /t?q 200 0"), 600);
}

class App final : public invoke::Endpoint {
 public:
  net::Handler& handler(std::size_t worker) override { return worker == 0 ? first_ : second_; }

 private:
  Answering first_{[](std::unique_ptr<net::Exchange> exchange) { exchange->respond(200, {}, "first"); }};
  Answering second_{[](std::unique_ptr<net::Exchange> exchange) { exchange->respond(404, {}, {}); }};
};

TEST(MeteredEndpoint, WatchesTheHandlerOfEachWorker) {
  Notes notes;
  App app;
  MeteredEndpoint endpoint(app, 2, notes);
  std::string seen;
  endpoint.handler(0).handle(std::make_unique<Client>("POST", seen));
  endpoint.handler(1).handle(std::make_unique<Client>("GET", seen));
  EXPECT_EQ(seen, " 200:first gone 404: gone");
  EXPECT_THAT(notes.told, ElementsAre("begin POST", "POST /t?q 200 5", "begin GET", "GET /t?q 404 0"));
}

TEST(MeteredHandler, ACallThatIsRefused) {
  const Outcome outcome =
      call([](std::unique_ptr<net::Exchange> exchange) { exchange->refuse(make_error(Code::kUnavailable, "asleep")); });
  EXPECT_EQ(outcome.seen, " 500:asleep gone");
  EXPECT_THAT(outcome.told, ElementsAre("begin POST", "POST /t?q 500 0"));
}

}  // namespace
}  // namespace tandem::policy
