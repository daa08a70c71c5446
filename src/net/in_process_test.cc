#include "net/in_process.h"

#include <gtest/gtest.h>

#include <optional>

namespace tandem::net {
namespace {

// What a sink was told.
struct Seen {
  int status = 0;
  std::string headers;
  std::string body;
  std::string trailers;
  bool ended = false;
  int destroyed = 0;
  std::optional<Error> error;
  Completion<void> resume;
};

class RecordingSink final : public ResponseSink {
 public:
  enum class Pace { kAtOnce, kHeld };
  RecordingSink(Seen& seen, Pace pace) : seen_(seen), pace_(pace) {}
  ~RecordingSink() override { ++seen_.destroyed; }

  void on_head(int status, Headers headers) override {
    seen_.status = status;
    for (const Header& header : headers) seen_.headers += std::string(header.name) + "=" + std::string(header.value);
  }
  void on_body(std::string_view piece, Completion<void> resume) override {
    seen_.body += piece;
    if (pace_ == Pace::kHeld) {
      seen_.resume = std::move(resume);
    } else {
      resume({});
    }
  }
  void on_end(Headers trailers) override {
    seen_.ended = true;
    for (const Header& header : trailers) seen_.trailers += std::string(header.name) + "=" + std::string(header.value);
  }
  void on_error(Error error) override { seen_.error = std::move(error); }

 private:
  Seen& seen_;
  const Pace pace_;
};

std::unique_ptr<Exchange> make(Seen& seen, std::string method = "POST",
                               RecordingSink::Pace pace = RecordingSink::Pace::kAtOnce) {
  OwnedRequest request{method, "http", "localhost:3500", "/v1.0/state", {{"Content-Type", "text/plain"}}};
  CallContext context;
  context.app_id = "orders";
  return make_in_process_exchange(std::move(request), std::string("the body"), std::move(context),
                                  std::make_unique<RecordingSink>(seen, pace));
}

TEST(InProcess, HandsTheRequestOver) {
  Seen seen;
  const auto exchange = make(seen);
  EXPECT_EQ(exchange->head().method, "POST");
  EXPECT_EQ(exchange->head().authority, "localhost:3500");
  EXPECT_EQ(exchange->head().target, "/v1.0/state");
  EXPECT_EQ(find_header(exchange->head().headers, "content-TYPE"), "text/plain");
  EXPECT_EQ(exchange->context().app_id, "orders");
  EXPECT_EQ(exchange->body().take_whole(), "the body");
  std::optional<std::string> rest;
  exchange->body().read([&](Result<std::string_view> piece) { rest = std::string(*piece); });
  EXPECT_EQ(rest, "");
  EXPECT_FALSE(exchange->gone());
}

TEST(InProcess, LeavesOutRequestHeadersThatAreNone) {
  Seen seen;
  OwnedRequest request;
  request.headers = {{"a b", "1"}, {"c\r\nX", "2"}, {"v", "1\r\nX: 2"}, {"", "3"}, {"good", "4"}};
  const auto exchange = make_in_process_exchange(std::move(request), std::string(), {},
                                                 std::make_unique<RecordingSink>(seen, RecordingSink::Pace::kAtOnce));
  ASSERT_EQ(exchange->head().headers.size(), 1u);
  EXPECT_EQ(exchange->head().headers[0].name, "good");
}

TEST(InProcess, ReadsABodyThatIsSharedWithoutACopy) {
  Seen seen;
  const SharedBytes body = share("the body, which is long enough to be no part of a string");
  const auto exchange =
      make_in_process_exchange({}, body, {}, std::make_unique<RecordingSink>(seen, RecordingSink::Pace::kAtOnce));
  const std::optional<std::string_view> whole = exchange->body().take_whole();
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->data(), body->data());
  EXPECT_EQ(*whole, *body);
  EXPECT_EQ(exchange->body().take_whole(), "");
}

TEST(InProcess, AnswersInOnePiece) {
  Seen seen;
  auto exchange = make(seen, "POST", RecordingSink::Pace::kHeld);
  const Header header{"ETag", "1"};
  exchange->respond(201, {&header, 1}, "answer");
  EXPECT_EQ(seen.status, 201);
  EXPECT_EQ(seen.headers, "ETag=1");
  EXPECT_EQ(seen.body, "answer");
  EXPECT_TRUE(seen.ended);
  EXPECT_EQ(seen.destroyed, 1);
  exchange->respond(500, {}, "twice");
  exchange.reset();
  EXPECT_EQ(seen.status, 201);
}

TEST(InProcess, PrefersTheWholeAnswer) {
  struct Whole final : ResponseSink {
    explicit Whole(std::string& into) : text(into) {}
    bool on_whole(int status, Headers, std::string_view body) override {
      text = std::to_string(status) + " " + std::string(body);
      return true;
    }
    void on_head(int, Headers) override { text = "head"; }
    void on_body(std::string_view, Completion<void>) override { text = "body"; }
    void on_end(Headers) override { text = "end"; }
    void on_error(Error) override { text = "error"; }
    std::string& text;
  };
  std::string text;
  make_in_process_exchange({}, std::string(), {}, std::make_unique<Whole>(text))->respond(200, {}, "all");
  EXPECT_EQ(text, "200 all");
}

TEST(InProcess, CarriesBackPressure) {
  Seen seen;
  const auto exchange = make(seen, "POST", RecordingSink::Pace::kHeld);
  exchange->start(200, {});
  bool written = false;
  exchange->write("one", [&](Status status) { written = status.has_value(); });
  EXPECT_EQ(seen.body, "one");
  EXPECT_FALSE(written);
  seen.resume({});
  EXPECT_TRUE(written);
  Code code = Code::kOk;
  exchange->write("two", [&](Status status) { code = status.error().code; });
  seen.resume(fail(Code::kCancelled, "enough"));
  EXPECT_EQ(code, Code::kCancelled);
  const Header trailer{"Sum", "6"};
  exchange->finish({&trailer, 1});
  EXPECT_TRUE(seen.ended);
  EXPECT_EQ(seen.trailers, "Sum=6");
}

TEST(InProcess, UnansweredIs500AndCutOffIsAnError) {
  Seen unanswered;
  make(unanswered).reset();
  EXPECT_EQ(unanswered.status, 500);
  EXPECT_TRUE(unanswered.ended);

  Seen cut;
  auto exchange = make(cut);
  exchange->start(200, {});
  exchange->write("part", [](Status) {});
  exchange.reset();
  EXPECT_FALSE(cut.ended);
  ASSERT_TRUE(cut.error.has_value());
  EXPECT_EQ(cut.error->code, Code::kUnavailable);

  Seen aborted;
  make(aborted)->abort();
  EXPECT_EQ(aborted.status, 0);
  EXPECT_TRUE(aborted.error.has_value());
}

TEST(InProcess, KeepsToAContentLength) {
  const Header length{"content-length", "3"};
  Seen exact;
  auto exchange = make(exact);
  exchange->start(200, {&length, 1});
  exchange->write("abc", [](Status status) { EXPECT_TRUE(status.has_value()); });
  exchange->finish();
  EXPECT_TRUE(exact.ended);
  Seen shorter;
  exchange = make(shorter);
  exchange->start(200, {&length, 1});
  exchange->finish();
  EXPECT_TRUE(shorter.error.has_value());
  Seen longer;
  exchange = make(longer);
  exchange->start(200, {&length, 1});
  exchange->write("abcd", [](Status status) { EXPECT_EQ(status.error().code, Code::kInvalidArgument); });
  EXPECT_TRUE(longer.error.has_value());
  EXPECT_EQ(longer.body, "");
  EXPECT_TRUE(exchange->gone());
}

TEST(InProcess, LeavesTheBodyOutForHeadAndRefusesBadHeads) {
  Seen head;
  make(head, "HEAD")->respond(200, {}, "body");
  EXPECT_EQ(head.body, "");
  EXPECT_TRUE(head.ended);
  Seen bad;
  const Header evil{"X", "a\nb"};
  make(bad)->respond(200, {&evil, 1}, "body");
  EXPECT_EQ(bad.status, 500);
}

TEST(InProcess, ARefusedRequestIsAnError) {
  Seen seen;
  const auto exchange = make(seen);
  exchange->refuse(make_error(Code::kUnavailable, "asleep"));
  ASSERT_TRUE(seen.error);
  EXPECT_EQ(seen.error->message, "asleep");
  EXPECT_EQ(seen.status, 0);
  EXPECT_EQ(seen.destroyed, 1);
  exchange->respond(200, {}, "too late");
  EXPECT_EQ(seen.status, 0);
}

}  // namespace
}  // namespace tandem::net
