#include "api/http/state_routes.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "api/http/testing/test_api.h"
#include "base/json.h"

namespace tandem::api::http {
namespace {

constexpr std::string_view kHelloBody = R"([{"key":"k","value":"hello"}])";

std::string stored(const TestApi& api, std::string_view key) {
  const auto found = api.store->items.find("caller||" + std::string(key));
  return found == api.store->items.end() ? "(nothing)" : *found->second.data;
}

bool has_code(const Answer& answer, std::string_view code) {
  return answer.body.find("\"errorCode\":\"" + std::string(code) + "\"") != std::string::npos &&
         parse_json(answer.body);
}

TEST(StateRoutesTest, SavesAndReads) {
  TestApi api;
  ASSERT_TRUE(api.added);
  const Answer saved = api.post("/v1.0/state/store", std::string(kHelloBody));
  EXPECT_EQ(saved.status, 204);
  EXPECT_EQ(saved.body, "");
  EXPECT_EQ(saved.count, 1);

  const Answer read = api.get("/v1.0/state/store/k");
  EXPECT_EQ(read.status, 200);
  EXPECT_EQ(read.body, "\"hello\"");
  EXPECT_EQ(read.header("content-type"), "application/json");
  EXPECT_EQ(read.header("etag"), "1");
  EXPECT_EQ(read.header("metadata.ttlExpireTime"), std::nullopt);
}

TEST(StateRoutesTest, WritesValuesAsGoDoes) {
  TestApi api;
  const std::string value = R"({ "b": 12345678901234567890, "a" : ["\u00e9", null] , "c":1.0 })";
  const std::string normal = "{\"a\":[\"\u00e9\",null],\"b\":12345678901234567890,\"c\":1}";
  EXPECT_EQ(
      api.call({.method = "PUT",
                .target = "/v1.0/state/store",
                .body = R"( [ {"key":"a","value": )" + value + R"( } , {"key":"none"}, {"KEY":"n","Value":null} ] )"})
          .status,
      204);
  EXPECT_EQ(stored(api, "a"), normal);
  EXPECT_EQ(stored(api, "none"), "null");
  EXPECT_EQ(stored(api, "n"), "null");
  EXPECT_EQ(api.get("/v1.0/state/store/a").body, normal);
  EXPECT_EQ(api.post("/v1.0/state/store", R"([{"key":"more","value":1}] and more)").status, 204);
  EXPECT_EQ(stored(api, "more"), "1");
}

TEST(StateRoutesTest, ReadsABodyInPieces) {
  TestApi api;
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{1000}}) {
    const Answer saved =
        api.call({.method = "POST", .target = "/v1.0/state/store", .body = std::string(kHelloBody), .piece = piece});
    EXPECT_EQ(saved.status, 204) << piece;
  }
  PausedReads paused;
  const auto answer = api.call_slowly(
      {.method = "POST", .target = "/v1.0/state/store", .body = R"([{"key":"slow","value":1}])"}, paused);
  EXPECT_EQ(answer->count, 0);
  paused.run_all();
  EXPECT_EQ(answer->status, 204);
  EXPECT_EQ(stored(api, "slow"), "1");
}

TEST(StateRoutesTest, AManyPieceBodyDoesNotDeepenTheStack) {
  TestApi api;
  const std::string value(300'000, 'x');
  const Answer saved = api.call({.method = "POST",
                                 .target = "/v1.0/state/store",
                                 .body = R"([{"key":"big","value":")" + value + R"("}])",
                                 .piece = 1});
  EXPECT_EQ(saved.status, 204);
  EXPECT_EQ(stored(api, "big").size(), value.size() + 2);
}

TEST(StateRoutesTest, AMissingKeyIs204) {
  TestApi api;
  const Answer read = api.get("/v1.0/state/store/nothing");
  EXPECT_EQ(read.status, 204);
  EXPECT_EQ(read.body, "");
  EXPECT_EQ(read.header("content-type"), std::nullopt);
}

TEST(StateRoutesTest, DecodesKeys) {
  TestApi api;
  api.post("/v1.0/state/store", R"([{"key":"a/b c","value":1}])");
  EXPECT_EQ(api.get("/v1.0/state/store/a%2Fb+c").body, "1");
  EXPECT_EQ(api.get("/v1.0/state/store/a%2Fb%20c").body, "1");
  const Answer bad = api.get("/v1.0/state/store/a%zz");
  EXPECT_EQ(bad.status, 400);
  EXPECT_EQ(bad.header("content-type"), "text/plain; charset=utf-8");
}

TEST(StateRoutesTest, PassesOptionsAndMetadataOn) {
  TestApi api;
  EXPECT_EQ(api.post("/v1.0/state/store?metadata.ttlInSeconds=60&metadata.x=query",
                     R"([{"key":"k","value":1,"etag":"","metadata":{"x":"body","y":"z","partitionKey":"p"},)"
                     R"("options":{"concurrency":"first-write","consistency":"strong"}}])")
                .status,
            204);
  const state::SetRequest& set = api.store->last_set;
  EXPECT_EQ(set.concurrency, state::Concurrency::kFirstWrite);
  EXPECT_EQ(set.consistency, state::Consistency::kStrong);
  EXPECT_EQ(set.ttl_seconds, 60);
  EXPECT_EQ(set.etag, std::nullopt);
  EXPECT_EQ(set.metadata, (Metadata{{"ttlInSeconds", "60"}, {"x", "query"}, {"y", "z"}, {"partitionKey", "p"}}));

  const Answer read = api.get("/v1.0/state/store/k?consistency=eventual");
  EXPECT_EQ(api.store->consistency, state::Consistency::kEventual);
  EXPECT_EQ(read.header("metadata.ttlExpireTime"), "1970-01-01T00:01:00Z");
}

TEST(StateRoutesTest, DeletesWithOptions) {
  TestApi api;
  api.post("/v1.0/state/store", std::string(kHelloBody));
  const Answer mismatch =
      api.call({.method = "DELETE", .target = "/v1.0/state/store/k", .headers = {{"if-match", "77"}}});
  EXPECT_EQ(mismatch.status, 409);
  EXPECT_TRUE(has_code(mismatch, "ERR_STATE_DELETE"));
  const Answer invalid =
      api.call({.method = "DELETE", .target = "/v1.0/state/store/k", .headers = {{"If-Match", "not-an-etag"}}});
  EXPECT_EQ(invalid.status, 400);
  EXPECT_EQ(stored(api, "k"), "\"hello\"");

  const Answer removed =
      api.call({.method = "DELETE",
                .target = "/v1.0/state/store/k?concurrency=last-write&consistency=strong&metadata.a=b",
                .headers = {{"If-Match", "1"}}});
  EXPECT_EQ(removed.status, 204);
  EXPECT_EQ(stored(api, "k"), "(nothing)");
  EXPECT_EQ(api.store->last_delete.concurrency, state::Concurrency::kLastWrite);
  EXPECT_EQ(api.store->last_delete.consistency, state::Consistency::kStrong);
  EXPECT_EQ(api.store->last_delete.metadata, (Metadata{{"a", "b"}}));

  const Answer unknown = api.call({.method = "DELETE", .target = "/v1.0/state/store/k?concurrency=sometimes"});
  EXPECT_EQ(unknown.status, 500);
  EXPECT_TRUE(has_code(unknown, "ERR_STATE_DELETE"));
}

TEST(StateRoutesTest, EtagsOfWrites) {
  TestApi api;
  api.post("/v1.0/state/store", std::string(kHelloBody));
  const Answer mismatch = api.post("/v1.0/state/store", R"([{"key":"k","value":2,"etag":"9"}])");
  EXPECT_EQ(mismatch.status, 409);
  EXPECT_TRUE(has_code(mismatch, "ERR_STATE_SAVE"));
  EXPECT_EQ(api.post("/v1.0/state/store", R"([{"key":"k","value":2,"etag":"not-an-etag"}])").status, 400);
  EXPECT_EQ(api.post("/v1.0/state/store", R"([{"key":"k","value":2,"etag":"1"}])").status, 204);
  EXPECT_EQ(api.post("/v1.0/state/store", R"([{"key":"k","value":3,"etag":"1"},{"key":"j","value":3}])").status, 409);
  EXPECT_EQ(stored(api, "k"), "2");
}

TEST(StateRoutesTest, FailuresOfTheStore) {
  TestApi api;
  const Answer read = api.get("/v1.0/state/store/broken");
  EXPECT_EQ(read.status, 500);
  EXPECT_EQ(read.body,
            R"({"errorCode":"ERR_STATE_GET","message":"fail to get broken from state store store: disk on fire"})");
  const Answer save = api.post("/v1.0/state/store", R"([{"key":"broken","value":1}])");
  EXPECT_EQ(save.status, 500);
  EXPECT_TRUE(has_code(save, "ERR_STATE_SAVE"));
  const Answer ttl = api.post("/v1.0/state/store?metadata.ttlInSeconds=soon", std::string(kHelloBody));
  EXPECT_EQ(ttl.status, 500);
  EXPECT_TRUE(has_code(ttl, "ERR_STATE_SAVE"));
  const Answer option = api.post("/v1.0/state/store", R"([{"key":"k","value":1,"options":{"consistency":"odd"}}])");
  EXPECT_EQ(option.status, 500);
  EXPECT_EQ(option.body, R"({"errorCode":"ERR_STATE_SAVE","message":"failed saving state in state store store: )"
                         R"(unrecognized consistency model 'odd'"})");
}

TEST(StateRoutesTest, UnknownStores) {
  TestApi api;
  TestApi empty(Backends::kNone);
  const std::pair<std::string, std::string> requests[] = {
      {"POST", "/v1.0/state/other"},
      {"GET", "/v1.0/state/other/k"},
      {"DELETE", "/v1.0/state/other/k"},
      {"POST", "/v1.0/state/other/bulk"},
      {"POST", "/v1.0/state/other/transaction"},
      {"POST", "/v1.0-alpha1/state/other/query"},
  };
  for (const auto& [method, target] : requests) {
    for (const std::string body : {"[]", "{}", "{{"}) {
      const Answer answer = api.call({.method = method, .target = target, .body = body});
      EXPECT_EQ(answer.status, 400) << method << ' ' << target << ' ' << body;
      EXPECT_TRUE(has_code(answer, "ERR_STATE_STORE_NOT_FOUND")) << answer.body;
      const Answer none = empty.call({.method = method, .target = target, .body = body});
      EXPECT_EQ(none.status, 500);
      EXPECT_TRUE(has_code(none, "ERR_STATE_STORE_NOT_CONFIGURED")) << none.body;
      const std::string_view app = target.ends_with("query") ? "null" : R"({"appID":"caller"})";
      EXPECT_NE(none.body.find(fmt::format(R"("metadata":{},"reason":"DAPR_STATE_NOT_CONFIGURED")", app)),
                std::string::npos)
          << none.body;
    }
  }
}

TEST(StateRoutesTest, MalformedBodies) {
  TestApi api;
  for (const std::string body :
       {"", "{{", "{}", "[1]", "\"x\"", R"([{"key":1,"value":1}])", R"([{"value":1}])", R"([{"key":null}])",
        R"([{"key":"k","metadata":{"a":1}}])", R"([{"key":"k","metadata":[]}])", R"([{"key":"k","options":"x"}])",
        R"([{"key":"k","options":{"concurrency":1}}])", R"([{"key":"k","etag":5}])",
        R"([{"key":"k","value":1E999}])"}) {
    const Answer answer = api.post("/v1.0/state/store", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_TRUE(has_code(answer, "ERR_MALFORMED_REQUEST")) << answer.body;
  }
  for (const std::string body :
       {"", "[]", R"({"keys":"a"})", R"({"keys":[1]})", R"({"keys":["a"],"parallelism":"x"})",
        R"({"keys":["a"],"parallelism":1.5})", R"({"keys":["a"],"parallelism":99999999999999999999})"}) {
    const Answer answer = api.post("/v1.0/state/store/bulk", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_TRUE(has_code(answer, "ERR_MALFORMED_REQUEST")) << answer.body;
    EXPECT_NE(answer.body.find("failed deserializing HTTP body: "), std::string::npos);
  }
  for (const std::string body :
       {"", "[]", R"({"operations":{}})", R"({"operations":[1]})",
        R"({"operations":[{"operation":"upsert","request":1}]})",
        R"({"operations":[{"operation":"upsert","request":{"key":1}}]})", R"({"operations":[{"operation":1}]})"}) {
    const Answer answer = api.post("/v1.0/state/store/transaction", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_TRUE(has_code(answer, "ERR_MALFORMED_REQUEST")) << answer.body;
  }
  EXPECT_TRUE(api.store->items.empty());
}

TEST(StateRoutesTest, NothingToDoIs204) {
  TestApi api;
  EXPECT_EQ(api.post("/v1.0/state/store", "[]").status, 204);
  EXPECT_EQ(api.post("/v1.0/state/store", "null").status, 204);
  EXPECT_EQ(api.post("/v1.0/state/store/transaction", "{}").status, 204);
  EXPECT_EQ(api.post("/v1.0/state/store/transaction", R"({"operations":null})").status, 204);
}

TEST(StateRoutesTest, IllegalKeysNameTheField) {
  TestApi api;
  const Answer read = api.get("/v1.0/state/store/a%7C%7Cb");
  const Answer save = api.post("/v1.0/state/store", R"([{"key":"ok","value":1},{"key":"a||b","value":1}])");
  const Answer bulk = api.post("/v1.0/state/store/bulk", R"({"keys":["ok","a||b"]})");
  const Answer transaction =
      api.post("/v1.0/state/store/transaction", R"({"operations":[{"operation":"delete","request":{"key":"a||b"}}]})");
  for (const Answer& answer : {read, save, bulk, transaction}) {
    EXPECT_EQ(answer.status, 400);
    EXPECT_TRUE(has_code(answer, "ERR_MALFORMED_REQUEST")) << answer.body;
    EXPECT_NE(answer.body.find("DAPR_STATE_ILLEGAL_KEY"), std::string::npos);
  }
  // As in daprd, a transaction does not.
  for (const Answer& answer : {read, save, bulk}) {
    EXPECT_NE(answer.body.find(R"("field":"a||b")"), std::string::npos) << answer.body;
  }
  EXPECT_EQ(transaction.body.find("\"field\":"), std::string::npos) << transaction.body;
}

TEST(StateRoutesTest, ReadsInBulk) {
  TestApi api;
  api.post("/v1.0/state/store?metadata.ttlInSeconds=60", R"([{"key":"a","value":{"x": 1}}])");
  api.post("/v1.0/state/store", R"([{"key":"b","value":"<b>"}])");
  api.store->items["caller||binary"] = {.data = share("\x01\x02"), .etag = "7"};
  const Answer answer =
      api.post("/v1.0/state/store/bulk", R"({"keys":["b","none","a","broken","binary"],"parallelism":10})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("content-type"), "application/json");
  EXPECT_EQ(
      answer.body,
      R"([{"key":"b","data":"\u003cb\u003e","etag":"2"},{"key":"none"},)"
      R"({"key":"a","data":{"x":1},"etag":"1","metadata":{"ttlExpireTime":"1970-01-01T00:01:00Z"}},)"
      R"({"key":"broken","error":"disk on fire"},)"
      R"({"key":"binary","error":"the value is not JSON: invalid character '\\x01' looking for beginning of value"}])"
      "\n");
  EXPECT_EQ(api.post("/v1.0/state/store/bulk", "{}").body, "[]\n");
}

TEST(StateRoutesTest, RunsTransactions) {
  TestApi api;
  api.post("/v1.0/state/store", R"([{"key":"old","value":1}])");
  const Answer done = api.post("/v1.0/state/store/transaction?metadata.ttlInSeconds=5",
                               R"({"operations":[{"operation":"upsert","request":{"key":"new","value":{"a":1}}},)"
                               R"({"operation":"delete","request":{"key":"old"}}],"metadata":{"ttlInSeconds":"7"}})");
  EXPECT_EQ(done.status, 204);
  EXPECT_EQ(stored(api, "new"), R"({"a":1})");
  EXPECT_EQ(stored(api, "old"), "(nothing)");
  EXPECT_EQ(api.store->last_set.ttl_seconds, 5);

  const Answer mismatch = api.post("/v1.0/state/store/transaction",
                                   R"({"operations":[{"operation":"upsert","request":{"key":"x","value":1}},)"
                                   R"({"operation":"delete","request":{"key":"new","etag":"99"}}]})");
  EXPECT_EQ(mismatch.status, 500);
  EXPECT_TRUE(has_code(mismatch, "ERR_STATE_TRANSACTION"));
  EXPECT_EQ(stored(api, "x"), "(nothing)");

  const Answer unknown =
      api.post("/v1.0/state/store/transaction", R"({"operations":[{"operation":"merge","request":{}}]})");
  EXPECT_EQ(unknown.status, 400);
  EXPECT_EQ(unknown.body,
            R"({"errorCode":"ERR_NOT_SUPPORTED_STATE_OPERATION","message":"operation type merge not supported"})");
}

TEST(StateRoutesTest, WhatAStoreCannotDo) {
  TestApi api;
  for (const std::string body : {"{}", "{{", R"({"operations":[{"operation":"merge"}]})"}) {
    const Answer transaction = api.post("/v1.0/state/plain/transaction", body);
    EXPECT_EQ(transaction.status, 500);
    EXPECT_TRUE(has_code(transaction, "ERR_STATE_STORE_NOT_SUPPORTED")) << transaction.body;
    EXPECT_NE(transaction.body.find("DAPR_STATE_TRANSACTIONS_NOT_SUPPORTED"), std::string::npos);
  }
  const Answer query = api.post("/v1.0-alpha1/state/store/query", "{}");
  EXPECT_EQ(query.status, 500);
  EXPECT_TRUE(has_code(query, "ERR_STATE_STORE_NOT_SUPPORTED"));
  EXPECT_NE(query.body.find("DAPR_STATE_QUERYING_NOT_SUPPORTED"), std::string::npos);
}

TEST(StateRoutesTest, LimitsTheBody) {
  TestApi api(Backends::kAll, [](ApiOptions& options) { options.max_body_bytes = kHelloBody.size(); });
  EXPECT_EQ(api.post("/v1.0/state/store", std::string(kHelloBody)).status, 204);
  for (const std::size_t piece : {std::size_t{0}, std::size_t{1}, std::size_t{1000}}) {
    const Answer answer = api.call(
        {.method = "POST", .target = "/v1.0/state/store", .body = std::string(kHelloBody) + " ", .piece = piece});
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.body, R"({"errorCode":"ERR_MALFORMED_REQUEST","message":"stream too large"})");
  }
  for (const std::string length : {"1000", "99999999999999999999999999"}) {
    const Answer announced = api.call(
        {.method = "POST", .target = "/v1.0/state/store", .headers = {{"Content-Length", length}}, .body = "[]"});
    EXPECT_EQ(announced.status, 400);
  }
}

}  // namespace
}  // namespace tandem::api::http
