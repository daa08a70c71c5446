#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <utility>

#include "api/http/testing/test_api.h"

namespace tandem::api::http {
namespace {

using ::testing::HasSubstr;

// Keeps what it is asked and gives the answer that a test sets.
class FakeBinding final : public bindings::OutputBinding {
 public:
  std::span<const std::string_view> operations() const override {
    static constexpr std::array<std::string_view, 2> kNames = {"create", "get"};
    return kNames;
  }
  void invoke(const CallContext&, bindings::InvokeRequest request, Completion<bindings::InvokeAnswer> done) override {
    asked = std::move(request);
    done(answer);
  }
  bindings::InvokeRequest asked;
  bindings::InvokeAnswer answer;
};

struct BindingApi {
  BindingApi(std::function<void(ApiOptions&)> change = nullptr) : test(Backends::kNone, std::move(change)) {
    auto output = std::make_unique<FakeBinding>();
    binding = output.get();
    EXPECT_TRUE(test.bindings.add({.name = "store", .output = std::move(output)}));
  }
  Answer post(std::string body, HeaderList headers = {}) {
    return test.call(
        {.method = "POST", .target = "/v1.0/bindings/store", .headers = std::move(headers), .body = std::move(body)});
  }
  FakeBinding* binding = nullptr;
  TestApi test;
};

TEST(BindingRoutes, PassTheRequestOn) {
  BindingApi api;
  api.binding->answer = {.data = share("{\"fileName\":\"f\"}"), .metadata = {{"rows", "1"}, {"sql", "a\nb"}}};
  const Answer answer =
      api.post(R"({"operation":"create","data":{"b": 1.50, "a":[]},"metadata":{"fileName":"f"},"other":1})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "{\"fileName\":\"f\"}");
  EXPECT_EQ(answer.header("content-type"), "application/json");
  EXPECT_EQ(answer.header("metadata.rows"), "1");
  EXPECT_EQ(answer.header("metadata.sql"), "a b");
  EXPECT_EQ(api.binding->asked.operation, "create");
  EXPECT_EQ(api.binding->asked.data, R"({"a":[],"b":1.5})");
  EXPECT_EQ(api.binding->asked.metadata.at("fileName"), "f");
}

TEST(BindingRoutes, NoDataIsNullAndNoAnswerIsEmpty) {
  BindingApi api;
  EXPECT_EQ(api.post(R"({"Operation":"create","metadata":null})").status, 204);
  EXPECT_EQ(api.binding->asked.data, "null");
  EXPECT_EQ(api.test.call({.method = "PUT", .target = "/v1.0/bindings/store", .body = R"({"operation":"get"})"}).status,
            204);
}

TEST(BindingRoutes, AFailureKeepsItsMetadata) {
  BindingApi api;
  api.binding->answer = {.metadata = {{"statusCode", "404"}}, .failure = make_error(Code::kInternal, "status 404")};
  const Answer answer = api.post(R"({"operation":"get"})");
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.header("metadata.statusCode"), "404");
  EXPECT_EQ(answer.body, R"({"errorCode":"ERR_INVOKE_OUTPUT_BINDING",)"
                         R"("message":"error invoking output binding store: status 404"})");
}

TEST(BindingRoutes, WhatIsNoRequestIsRefused) {
  BindingApi api;
  for (const char* body : {"", "{", "[]", "1", R"({"operation":1})", R"({"operation":"get","metadata":{"a":1}})"}) {
    const Answer answer = api.post(body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_THAT(answer.body, HasSubstr("ERR_MALFORMED_REQUEST")) << body;
  }
  EXPECT_THAT(api.post("null").body, HasSubstr("operation field is missing from request"));
  EXPECT_THAT(api.post(R"({"operation":"mkdir"})").body, HasSubstr("supported operations:create get"));
}

TEST(BindingRoutes, PassTheTraceAndBaggageOn) {
  const std::string parent = "00-11111111111111111111111111111111-2222222222222222-01";
  BindingApi untraced([](ApiOptions& options) { options.sampler = telemetry::Sampler(0); });
  untraced.post(R"({"operation":"get","metadata":{"traceparent":"mine"}})", {{"baggage", "a=1"}, {"Baggage", "b=2"}});
  EXPECT_EQ(untraced.binding->asked.metadata.at("traceparent"), "mine");
  EXPECT_EQ(untraced.binding->asked.metadata.at("baggage"), "a=1,b=2");
  const Answer refused = untraced.post(R"({"operation":"get"})", {{"baggage", "a"}});
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr(R"("invalid baggage header: invalid baggage list-member: \"a\"")"));
  untraced.post(R"({"operation":"get"})", {{"traceparent", parent}, {"tracestate", "s=1"}});
  EXPECT_THAT(untraced.binding->asked.metadata.at("traceparent"), HasSubstr(parent.substr(0, 35)));
  EXPECT_EQ(untraced.binding->asked.metadata.at("tracestate"), "s=1");
  BindingApi traced([](ApiOptions& options) { options.sampler = telemetry::Sampler(1); });
  traced.post(R"({"operation":"get"})");
  EXPECT_EQ(traced.binding->asked.metadata.at("traceparent").size(), parent.size());
}

}  // namespace
}  // namespace tandem::api::http
