#include "api/http/invoke_routes.h"

#include <gtest/gtest.h>

#include "api/http/testing/test_api.h"

namespace tandem::api::http {
namespace {

TEST(InvokeRoutesTest, PassesTheRequestAndTheAnswerThrough) {
  const telemetry::Sampler untraced(0);
  TestApi api(Backends::kAll, [&](ApiOptions& options) { options.sampler = untraced; });
  api.callee.status = 418;
  for (const std::size_t piece : {std::size_t{0}, std::size_t{5}}) {
    const Answer answer = api.call({.method = "PATCH",
                                    .target = "/v1.0/invoke/callee/method/orders/1?x=%20y&x=2",
                                    .headers = {{"Content-Type", "application/x-thing"}, {"X-Mine", "1"}},
                                    .body = "the request body",
                                    .piece = piece});
    EXPECT_EQ(answer.status, 418);
    EXPECT_EQ(answer.body, "hello from the app");
    EXPECT_TRUE(answer.finished);
    EXPECT_EQ(answer.headers, (HeaderList{{"Content-Type", "text/plain"}, {"X-App", "one"}, {"X-App", "two"}}));
    EXPECT_EQ(api.callee.method, "PATCH");
    EXPECT_EQ(api.callee.target, "/orders/1?x=%20y&x=2");
    EXPECT_EQ(api.callee.body, "the request body");
    EXPECT_EQ(api.callee.header("content-type"), "application/x-thing");
    EXPECT_EQ(api.callee.header("x-mine"), "1");
  }
  EXPECT_EQ(api.callee.last_worker, 3U);
}

TEST(InvokeRoutesTest, AnAnswerWithoutAContentTypeGetsOne) {
  TestApi api;
  api.callee.content_type.clear();
  const auto type_of = [&](int status, std::string body, HeaderList headers = {}) {
    api.callee.status = status;
    api.callee.answer = std::move(body);
    const Answer answer =
        api.call({.method = "POST", .target = "/v1.0/invoke/callee/method/m", .headers = std::move(headers)});
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.body, api.callee.answer);
    EXPECT_EQ(answer.count, 1);
    EXPECT_TRUE(answer.finished);
    return answer.header("content-type").value_or("");
  };
  EXPECT_EQ(type_of(200, "<html><body>hello</body></html>"), "text/html; charset=utf-8");
  EXPECT_EQ(type_of(302, "text"), "text/plain; charset=utf-8");
  EXPECT_EQ(type_of(200, ""), "");
  EXPECT_EQ(type_of(404, "text"), "application/json");
  EXPECT_EQ(type_of(500, ""), "application/json");
  EXPECT_EQ(type_of(404, "text", {{"Transfer-Encoding", "chunked"}}), "text/plain; charset=utf-8");
}

TEST(InvokeRoutesTest, TakesVerbsInAnyCaseAndUnknownOnesForPost) {
  TestApi api;
  for (const auto& [sent, seen] : {std::pair("get", "GET"), std::pair("Patch", "PATCH"), std::pair("BREW", "POST")}) {
    EXPECT_EQ(api.call({.method = sent, .target = "/v1.0/invoke/callee/method/m"}).status, 200);
    EXPECT_EQ(api.callee.method, seen);
  }
}

TEST(InvokeRoutesTest, WhatIsEncodedTwiceStaysEncodedOnce) {
  TestApi api;
  const std::pair<std::string, std::string> cases[] = {{"a%2541", "/a%41"},   {"a%252Fb", "/a%2Fb"},
                                                       {"a[b]!", "/a[b]!"},   {"a%20[b]", "/a%20%5Bb%5D"},
                                                       {"%C3%BC", "/%C3%BC"}, {"a%2Fb", "/a/b"}};
  for (const auto& [sent, seen] : cases) {
    EXPECT_EQ(api.get("/v1.0/invoke/callee/method/" + sent).status, 200) << sent;
    EXPECT_EQ(api.callee.target, seen);
  }
  const Answer broken = api.get("/v1.0/invoke/callee/method/a%25");
  EXPECT_EQ(broken.status, 500);
  EXPECT_NE(broken.body.find(R"(a%\": invalid URL escape \"%\")"), std::string::npos) << broken.body;
}

TEST(InvokeRoutesTest, SaysWhoCallsWhom) {
  TestApi api;
  api.call({.method = "GET",
            .target = "/v1.0/invoke/callee/method/m",
            .headers = {
                {"dapr-caller-app-id", "somebody-else"}, {"Dapr-Callee-App-Id", "x"}, {"dapr-caller-namespace", "y"}}});
  EXPECT_EQ(api.callee.caller, "caller");
  int callers = 0;
  for (const auto& [name, value] : api.callee.headers) callers += net::equals_ignoring_case(name, "dapr-caller-app-id");
  EXPECT_EQ(callers, 1);
  EXPECT_EQ(api.callee.header("dapr-caller-app-id"), "caller");
  EXPECT_EQ(api.callee.header("dapr-callee-app-id"), "callee");
  EXPECT_EQ(api.callee.header("dapr-caller-namespace"), "default");

  EXPECT_EQ(api.get("/v1.0/invoke/callee.default/method/m").status, 200);
  EXPECT_EQ(api.callee.header("dapr-callee-app-id"), "callee");
  EXPECT_EQ(api.get("/v1.0/invoke/callee.other/method/m").status, 500);
  const Answer dots = api.get("/v1.0/invoke/callee.default.svc/method/m");
  EXPECT_EQ(dots.status, 500);
  EXPECT_EQ(dots.body, R"({"errorCode":"ERR_DIRECT_INVOKE","message":"failed to invoke, id: callee.default.svc, )"
                       R"(err: invalid app id callee.default.svc"})");
}

TEST(InvokeRoutesTest, TheCalleeIsToldItsOwnHost) {
  TestApi api;
  FakeApp third;
  ASSERT_TRUE(api.invoke.add("third", third, "127.0.0.1:8081"));
  ASSERT_EQ(api.call({.target = "/v1.0/invoke/third/method/m", .headers = {{"Host", "localhost:3500"}}}).status, 200);
  EXPECT_EQ(third.authority, "127.0.0.1:8081");
  EXPECT_EQ(third.header("host"), std::nullopt);
}

TEST(InvokeRoutesTest, DropsHopByHopHeaders) {
  TestApi api;
  api.call({.method = "GET",
            .target = "/orders?x=1",
            .headers = {{"dapr-app-id", "callee"},
                        {"Connection", "keep-alive, X-Private"},
                        {"Keep-Alive", "5"},
                        {"X-Private", "1"},
                        {"TE", "trailers"},
                        {"Transfer-Encoding", "chunked"},
                        {"Upgrade", "h2c"},
                        {"HTTP2-Settings", "AAMAAABk"},
                        {"dapr-api-token", "for-the-app"},
                        {"X-Public", "1"}}});
  EXPECT_EQ(api.callee.target, "/orders?x=1");
  for (const std::string_view name : {"connection", "keep-alive", "x-private", "te", "transfer-encoding", "upgrade",
                                      "http2-settings", "dapr-app-id"}) {
    EXPECT_EQ(api.callee.header(name), std::nullopt) << name;
  }
  EXPECT_EQ(api.callee.header("x-public"), "1");
  EXPECT_EQ(api.callee.header("dapr-api-token"), "for-the-app");
}

TEST(InvokeRoutesTest, FindsTheAppInTheHeaderOrTheAuthorization) {
  TestApi api;
  EXPECT_EQ(api.call({.method = "GET", .target = "/a//b/../c/", .headers = {{"Dapr-App-Id", "callee"}}}).status, 200);
  EXPECT_EQ(api.callee.target, "/a/c");
  // dapr-app-id:callee
  EXPECT_EQ(
      api.call({.method = "GET", .target = "/x", .headers = {{"Authorization", "Basic ZGFwci1hcHAtaWQ6Y2FsbGVl"}}})
          .status,
      200);
  EXPECT_EQ(api.callee.target, "/x");
  // user:password is nobody's app id.
  EXPECT_EQ(
      api.call({.method = "GET", .target = "/x", .headers = {{"Authorization", "Basic dXNlcjpwYXNzd29yZA=="}}}).status,
      404);
  // A path of the API stays with the API.
  EXPECT_EQ(api.call({.method = "GET", .target = "/v1.0/healthz", .headers = {{"dapr-app-id", "callee"}}}).status, 204);
}

TEST(InvokeRoutesTest, PathsAreDecodedAndCannotLeaveTheRoot) {
  TestApi api;
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"/v1.0/invoke/callee/method/", "/"},
      {"/v1.0/invoke/callee/method/a%20b", "/a%20b"},
      {"/v1.0/invoke/callee/method/a%2Fb", "/a/b"},
      {"/v1.0/invoke/callee/method/a%2541", "/a%41"},
      {"/v1.0/invoke/callee/method/%C3%A9", "/%C3%A9"},
      {"/v1.0/invoke/callee/method/x/%2e%2e/%2e%2e/%2e%2e/y", "/y"},
      {"/v1.0/invoke/callee/method/../../../../y", "/y"},
      {"//v1.0//invoke//callee/method/m", "/m"},
      {"/v1.0/invoke/callee/method/a/method/b", "/a/method/b"},
  };
  for (const auto& [target, expected] : cases) {
    api.callee.target.clear();
    EXPECT_EQ(api.get(std::string(target)).status, 200) << target;
    EXPECT_EQ(api.callee.target, expected) << target;
  }
  for (const std::string_view method : {"a%23b", "a%3Fb", "a%00b", "a%0Ab", "a%7Fb"}) {
    const Answer answer = api.get("/v1.0/invoke/callee/method/" + std::string(method));
    EXPECT_EQ(answer.status, 500) << method;
    EXPECT_NE(answer.body.find("ERR_DIRECT_INVOKE"), std::string::npos);
    EXPECT_NE(answer.body.find("invalid method"), std::string::npos);
  }
}

TEST(InvokeRoutesTest, UnknownAppsAndPaths) {
  TestApi api;
  const Answer unknown = api.get("/v1.0/invoke/nobody/method/m");
  EXPECT_EQ(unknown.status, 500);
  EXPECT_NE(unknown.body.find(R"("errorCode":"ERR_DIRECT_INVOKE","message":"failed to invoke, id: nobody, err: )"),
            std::string::npos)
      << unknown.body;
  for (const std::string target : {"/", "/v1.0/invoke/callee", "/v1.0/invoke/callee/method", "/v1.0/invoke//method/x",
                                   "/v1.0/state/store", "/anything", "*", ""}) {
    const Answer answer = api.get(target);
    EXPECT_EQ(answer.status, 404) << target;
    EXPECT_EQ(answer.body,
              R"({"errorCode":"ERR_DIRECT_INVOKE","message":"failed getting app id either from the URL path or the )"
              R"(header dapr-app-id"})");
  }
}

TEST(InvokeRoutesTest, LimitsTheBody) {
  TestApi api(Backends::kAll, [](ApiOptions& options) { options.max_body_bytes = 10; });
  api.call({.method = "POST", .target = "/v1.0/invoke/callee/method/m", .body = "0123456789", .piece = 4});
  EXPECT_EQ(api.callee.body, "0123456789");
  EXPECT_FALSE(api.callee.body_error);

  for (const std::size_t piece : {std::size_t{0}, std::size_t{4}}) {
    api.call({.method = "POST", .target = "/v1.0/invoke/callee/method/m", .body = "0123456789x", .piece = piece});
    ASSERT_TRUE(api.callee.body_error);
    EXPECT_EQ(api.callee.body_error->code, Code::kResourceExhausted);
    EXPECT_LE(api.callee.body.size(), 10U);
  }
  api.callee.method.clear();
  const Answer announced = api.call(
      {.method = "POST", .target = "/v1.0/invoke/callee/method/m", .headers = {{"content-length", "11"}}, .body = "x"});
  EXPECT_EQ(announced.status, 500);
  EXPECT_NE(announced.body.find("stream too large"), std::string::npos);
  EXPECT_EQ(api.callee.method, "");
}

// An endpoint that has no answer.
class Unreachable final : public invoke::Endpoint, private net::Handler {
 public:
  net::Handler& handler(std::size_t) override { return *this; }
  Code code = Code::kUnavailable;

 private:
  void handle(std::unique_ptr<net::Exchange> exchange) override { exchange->refuse(make_error(code, "it sleeps")); }
};

TEST(InvokeRoutesTest, AnAppThatCannotBeReached) {
  TestApi api;
  Unreachable elsewhere;
  api.invoke.set_elsewhere(elsewhere);
  const Answer answer = api.get("/v1.0/invoke/there.other/method/m");
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.body,
            R"({"errorCode":"ERR_DIRECT_INVOKE","message":"failed to invoke, id: there.other, err: it sleeps"})");
  elsewhere.code = Code::kPermissionDenied;
  EXPECT_EQ(api.get("/v1.0/invoke/there/method/m").status, 403);
}

}  // namespace
}  // namespace tandem::api::http
