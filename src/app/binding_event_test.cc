#include "app/binding_event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <utility>

namespace tandem::app {
namespace {

using ::testing::ElementsAre;

// What an app was asked, and an answer for it by path.
class AskedApp final : public net::Handler {
 public:
  void handle(std::unique_ptr<net::Exchange> exchange) override {
    const net::RequestHead& head = exchange->head();
    lines.push_back(std::string(head.method) + " " + std::string(head.target));
    headers.clear();
    for (const net::Header& header : head.headers) headers.emplace(header.name, header.value);
    body = exchange->body().take_whole().value_or("?");
    deadline = exchange->context().deadline;
    if (head.target == "/unreachable") return exchange->refuse(make_error(Code::kUnavailable, "no connection"));
    const auto found = statuses.find(std::string(head.target));
    exchange->respond(found == statuses.end() ? 200 : found->second, {}, answer);
  }
  std::map<std::string, int> statuses;
  std::string answer = "thanks";
  std::vector<std::string> lines;
  std::map<std::string, std::string> headers;
  std::string body;
  SteadyTime deadline{};
};

const Logger& quiet() {
  static const Logger log(Logger::Options{.level = LogLevel::kFatal});
  return log;
}

Result<bindings::AppAnswer> post(AskedApp& app, bindings::AppEvent event) {
  Result<bindings::AppAnswer> got = fail(Code::kUnknown, "no answer");
  post_event(app, "app", std::chrono::seconds(5), quiet(), std::move(event),
             [&](Result<bindings::AppAnswer> answer) { got = std::move(answer); });
  return got;
}

TEST(BindingEvent, IsAPostToTheRoute) {
  AskedApp app;
  const auto answer = post(app, {.binding = "timer",
                                 .route = "timer",
                                 .data = "{}",
                                 .metadata = {{"readTimeUTC", "now"}, {"Content-Type", "forged"}, {"bad name", "x"}},
                                 .trace = {"00-11111111111111111111111111111111-2222222222222222-01", "a=b"}});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->data, "thanks");
  EXPECT_TRUE(answer->to.empty());
  EXPECT_THAT(app.lines, ElementsAre("POST /timer"));
  EXPECT_EQ(app.body, "{}");
  EXPECT_EQ(app.headers["content-type"], "application/json");
  EXPECT_EQ(app.headers["content-length"], "2");
  EXPECT_EQ(app.headers["readtimeutc"], "now");
  EXPECT_EQ(app.headers["traceparent"], "00-11111111111111111111111111111111-2222222222222222-01");
  EXPECT_EQ(app.headers["tracestate"], "a=b");
  EXPECT_LE(app.deadline, std::chrono::steady_clock::now() + std::chrono::seconds(5));
  ASSERT_TRUE(post(app, {.binding = "timer", .route = "/my/route"}));
  EXPECT_EQ(app.lines.back(), "POST /my/route");
}

TEST(BindingEvent, OnlyAnAnswerOf2xxHasTakenIt) {
  AskedApp app;
  app.statuses = {{"/created", 201}, {"/empty", 204}, {"/missing", 404}, {"/broken", 500}, {"/moved", 302}};
  EXPECT_TRUE(post(app, {.route = "created"}));
  EXPECT_TRUE(post(app, {.route = "empty"}));
  for (const char* route : {"missing", "broken", "moved", "unreachable"}) EXPECT_FALSE(post(app, {.route = route}));
  EXPECT_EQ(post(app, {.route = "broken"}).error().message,
            "fails to send binding event to http app channel, status code: 500 body: thanks");
  app.answer.assign(5 << 20, 'x');
  EXPECT_FALSE(post(app, {.route = "large"}));
}

TEST(BindingQuestion, AsksForEachRoute) {
  using Reader = bindings::BindingEntry::Reader;
  AskedApp app;
  app.statuses = {{"/b", 405}, {"/c", 404}, {"/d", 500}, {"/e", 204}};
  std::vector<std::string> wanted;
  ask_for_bindings(app, "app", quiet(),
                   {{"a", "a", Reader::kAsk},
                    {"b", "b", Reader::kAsk},
                    {"c", "/c", Reader::kAsk},
                    {"d", "d", Reader::kAsk},
                    {"lost", "unreachable", Reader::kAsk},
                    {"e", "/e", Reader::kAsk}},
                   [&](Result<std::vector<std::string>> names) { wanted = std::move(*names); });
  EXPECT_THAT(wanted, ElementsAre("a", "b", "e"));
  EXPECT_THAT(app.lines, ElementsAre("OPTIONS /a", "OPTIONS /b", "OPTIONS /c", "OPTIONS /d", "OPTIONS /unreachable",
                                     "OPTIONS /e"));
  EXPECT_LE(app.deadline, std::chrono::steady_clock::now() + std::chrono::seconds(3));
}

}  // namespace
}  // namespace tandem::app
