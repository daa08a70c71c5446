#include "components/bindings/http/http_binding_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <map>

namespace tandem::components {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

using Headers = std::map<std::string, std::string>;

Headers headers_of(const HttpBindingRequest& request) {
  Headers headers;
  for (const net::OwnedHeader& header : request.headers) headers.emplace(header.name, header.value);
  return headers;
}

const HttpBindingOptions kOptions{.url = "http://host:8080/base/"};
constexpr char kJson[] = "application/json; charset=utf-8";

TEST(HttpBindingRequest, APostHasABodyAndItsType) {
  const auto request = http_binding_request(kOptions, {.operation = "create", .data = "{}", .metadata = {}});
  ASSERT_TRUE(request);
  EXPECT_EQ(request->method, "POST");
  EXPECT_EQ(request->url, "http://host:8080/base/");
  EXPECT_EQ(request->body, "{}");
  EXPECT_THAT(headers_of(*request), ElementsAre(Pair("Accept", kJson), Pair("Content-Type", kJson)));
}

TEST(HttpBindingRequest, AGetHasNone) {
  for (const char* operation : {"get", "head", "delete", "options", "trace"}) {
    const auto request = http_binding_request(kOptions, {.operation = operation, .data = "null", .metadata = {}});
    ASSERT_TRUE(request);
    EXPECT_EQ(request->body, "");
    EXPECT_THAT(headers_of(*request), ElementsAre(Pair("Accept", kJson)));
  }
}

TEST(HttpBindingRequest, MetadataInCapitalsAreHeaders) {
  HttpBindingOptions options = kOptions;
  options.security_token = "token";
  options.security_token_header = "x-secret";
  const auto request = http_binding_request(options, {.operation = "put",
                                                      .data = "1",
                                                      .metadata = {{"Accept", "text/html"},
                                                                   {"CONTENT-TYPE", "text/plain"},
                                                                   {"Content-Length", "99"},
                                                                   {"Host", "elsewhere"},
                                                                   {"X-own-thing", "1"},
                                                                   {"lower", "2"},
                                                                   {"Traceparent", "mine"},
                                                                   {"traceparent", "00-1-2-01"}}});
  ASSERT_TRUE(request);
  EXPECT_THAT(headers_of(*request),
              ElementsAre(Pair("Accept", "text/html"), Pair("Content-Type", "text/plain"),
                          Pair("Traceparent", "00-1-2-01"), Pair("X-Own-Thing", "1"), Pair("x-secret", "token")));
}

TEST(HttpBindingRequest, PutsThePathBehindTheUrl) {
  for (const auto& [path, url] : std::map<std::string, std::string>{
           {"/orders/1?x=1", "http://host:8080/base/orders/1?x=1"},
           {"a b/ü#part", "http://host:8080/base/a%20b/%C3%BC"},
           {"a/../b", "http://host:8080/base/a/../b"},
           {"//x", "http://host:8080/base/x"},
           {"q?100%", "http://host:8080/base/q?100%"},
       }) {
    const auto request = http_binding_request(kOptions, {.operation = "get", .data = {}, .metadata = {{"path", path}}});
    ASSERT_TRUE(request) << path;
    EXPECT_EQ(request->url, url);
  }
}

TEST(HttpBindingRequest, WhatIsNoRequestIsRefused) {
  struct Case {
    Metadata metadata;
    const char* why;
  };
  for (const Case& one : {
           Case{{{"path", "%zz"}}, "parse \"http://host:8080/base/%zz\": invalid URL escape \"%zz\""},
           Case{{{"path", "a\r\nX: 1"}}, "invalid control character in URL"},
           Case{{{"Bad Name", "1"}}, "invalid header field name \"Bad Name\""},
           Case{{{"X-Bad", "1\r\nY: 2"}}, "invalid header field value for \"X-Bad\""},
       }) {
    const auto request = http_binding_request(kOptions, {.operation = "get", .data = {}, .metadata = one.metadata});
    ASSERT_FALSE(request);
    EXPECT_THAT(request.error().message, HasSubstr(one.why));
  }
}

TEST(HttpBindingRequest, ACallSaysWhetherAStatusIsAnError) {
  EXPECT_TRUE(http_binding_request(kOptions, {.operation = "get"})->error_if_not_2xx);
  EXPECT_FALSE(
      http_binding_request(kOptions, {.operation = "get", .metadata = {{"errorIfNot2XX", "false"}}})->error_if_not_2xx);
}

TEST(HttpBindingRedirect, LeadsOn) {
  struct Case {
    std::string location;
    std::string url;
  };
  for (const Case& one : {
           Case{"https://other/x", "https://other/x"},
           Case{"//other/x", "http://other/x"},
           Case{"/x?y=1#z", "http://host/x?y=1"},
           Case{"next", "http://host/a/next"},
           Case{"../up", "http://host/up"},
           Case{"../../../top/./x/..", "http://host/top/"},
           Case{"?y=1", "http://host/a/b?y=1"},
       }) {
    HttpBindingRequest request{.method = "GET", .url = "http://host/a/b?q"};
    const auto followed = follow_redirect(kOptions, 302, one.location, request);
    ASSERT_TRUE(followed && *followed) << one.location;
    EXPECT_EQ(request.url, one.url);
  }
}

TEST(HttpBindingRedirect, ChangesTheMethodAsBrowsersDo) {
  for (const int status : {301, 302, 303}) {
    HttpBindingRequest request{
        .method = "PUT", .url = "http://host/", .headers = {{"Content-Type", "x"}, {"X-A", "1"}}, .body = "b"};
    ASSERT_TRUE(*follow_redirect(kOptions, status, "/n", request));
    EXPECT_EQ(request.method, "GET");
    EXPECT_EQ(request.body, "");
    EXPECT_THAT(headers_of(request), ElementsAre(Pair("X-A", "1")));
  }
  for (const int status : {307, 308}) {
    HttpBindingRequest request{.method = "PUT", .url = "http://host/", .body = "b"};
    ASSERT_TRUE(*follow_redirect(kOptions, status, "/n", request));
    EXPECT_EQ(request.method, "PUT");
    EXPECT_EQ(request.body, "b");
  }
}

TEST(HttpBindingRedirect, AnotherHostGetsNoSecrets) {
  HttpBindingOptions options = kOptions;
  options.security_token_header = "X-Secret";
  const HttpBindingRequest request{
      .method = "GET", .url = "http://host/", .headers = {{"X-Secret", "s"}, {"Authorization", "a"}, {"X-A", "1"}}};
  HttpBindingRequest same = request;
  ASSERT_TRUE(*follow_redirect(options, 302, "/n", same));
  EXPECT_EQ(headers_of(same).size(), 3u);
  for (const char* location : {"http://host:81/", "https://host/", "http://other/"}) {
    HttpBindingRequest other = request;
    ASSERT_TRUE(*follow_redirect(options, 302, location, other));
    EXPECT_THAT(headers_of(other), ElementsAre(Pair("X-A", "1")));
  }
}

TEST(HttpBindingRedirect, IsNoneWithoutALocationOrOfAnotherStatus) {
  HttpBindingRequest request{.method = "GET", .url = "http://host/"};
  EXPECT_FALSE(*follow_redirect(kOptions, 302, "", request));
  EXPECT_FALSE(*follow_redirect(kOptions, 304, "/n", request));
  EXPECT_FALSE(*follow_redirect(kOptions, 200, "/n", request));
  for (const char* location :
       {"http://", "ftp://host/", "javascript:alert(1)", "http:relative", "//", "//user@host/"}) {
    EXPECT_FALSE(follow_redirect(kOptions, 302, location, request)) << location;
  }
  EXPECT_EQ(request.url, "http://host/");
}

TEST(HttpBindingAnswer, IsToldAsMetadata) {
  const std::array headers = {net::Header{"content-type", "text/plain"}, net::Header{"x-a", "1"},
                              net::Header{"X-A", "2"}};
  EXPECT_THAT(http_answer_metadata(404, headers),
              ElementsAre(Pair("Content-Type", "text/plain"), Pair("X-A", "1, 2"), Pair("status", "404 Not Found"),
                          Pair("statusCode", "404")));
}

}  // namespace
}  // namespace tandem::components
