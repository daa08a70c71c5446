#include "api/http/dapr_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/http/cors.h"
#include "api/http/testing/test_api.h"
#include "base/json.h"

namespace tandem::api::http {
namespace {

TEST(DaprApiTest, Health) {
  TestApi api;
  EXPECT_EQ(api.get("/v1.0/healthz").status, 204);
  EXPECT_EQ(api.get("/v1.0/healthz?appid=caller").status, 204);
  const Answer other = api.get("/v1.0/healthz?appid=other");
  EXPECT_EQ(other.status, 500);
  EXPECT_EQ(other.body, R"({"errorCode":"ERR_HEALTH_APPID_NOT_MATCH","message":"dapr app-id does not match"})");
  EXPECT_EQ(api.get("/v1.0/healthz/outbound").status, 204);

  api.health.targets = {"app", "store"};
  const Answer unready = api.get("/v1.0/healthz");
  EXPECT_EQ(unready.status, 500);
  EXPECT_EQ(unready.body, R"({"errorCode":"ERR_HEALTH_NOT_READY","message":"dapr is not ready: [app store]"})");
  api.health.outbound = fail(Code::kUnavailable, "no");
  const Answer outbound = api.get("/v1.0/healthz/outbound");
  EXPECT_EQ(outbound.status, 500);
  EXPECT_EQ(outbound.body, R"({"errorCode":"ERR_OUTBOUND_HEALTH_NOT_READY","message":"dapr outbound is not ready"})");
}

TEST(DaprApiTest, Metadata) {
  TestApi api;
  api.metadata.metadata = {
      .runtime_version = "1.18.1",
      .enabled_features = {"f"},
      .components = {{"store", "state.in-memory", "v1", {"ETAG", "TRANSACTIONAL"}}},
      .subscriptions =
          {{"bus", "orders", {{"rawPayload", "true"}}, {{"event.x == 1", "/a"}, {"", "/b"}}, "dead", "DECLARATIVE"}},
      .http_endpoints = {"weather", "bank"},
      .connection = {.port = 8080,
                     .protocol = "http",
                     .channel_address = "127.0.0.1",
                     .health = sidecar::AppHealth{"/healthz", "5s", "500ms", 3}}};
  EXPECT_EQ(api.call({.method = "PUT", .target = "/v1.0/metadata/my%20label", .body = "a \"value\""}).status, 204);
  const Answer answer = api.get("/v1.0/metadata");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("content-type"), "application/json");
  EXPECT_EQ(
      answer.body,
      R"({"id":"caller","runtimeVersion":"1.18.1","enabledFeatures":["f"],)"
      R"("components":[{"name":"store","type":"state.in-memory","version":"v1","capabilities":["ETAG","TRANSACTIONAL"]}],)"
      R"("extended":{"daprRuntimeVersion":"1.18.1","my label":"a \"value\""},)"
      R"("subscriptions":[{"pubsubname":"bus","topic":"orders","metadata":{"rawPayload":"true"},)"
      R"("rules":[{"match":"event.x == 1","path":"/a"},{"path":"/b"}],"deadLetterTopic":"dead","type":"DECLARATIVE"}],)"
      R"("httpEndpoints":[{"name":"weather"},{"name":"bank"}],)"
      R"("appConnectionProperties":{"port":8080,"protocol":"http","channelAddress":"127.0.0.1",)"
      R"("health":{"healthCheckPath":"/healthz","healthProbeInterval":"5s","healthProbeTimeout":"500ms",)"
      R"("healthThreshold":3}},)"
      R"("actorRuntime":{"runtimeStatus":"DISABLED","hostReady":false,"placement":"placement: disconnected"}})"
      "\n");
  api.metadata.metadata = {};
  EXPECT_TRUE(parse_json(api.get("/v1.0/metadata").body));
}

TEST(DaprApiTest, LabelsAreLimited) {
  AppLabels labels;
  for (std::size_t i = 0; i < AppLabels::kMaxLabels; ++i) ASSERT_TRUE(labels.set(std::to_string(i), "x"));
  EXPECT_TRUE(labels.set("0", "again"));
  EXPECT_FALSE(labels.set("one too many", "x"));
  EXPECT_EQ(labels.all().size(), AppLabels::kMaxLabels);

  TestApi api(Backends::kAll, [](ApiOptions& options) { options.max_body_bytes = 4; });
  const Answer large = api.call({.method = "PUT", .target = "/v1.0/metadata/k", .body = "12345"});
  EXPECT_EQ(large.status, 400);
  EXPECT_NE(large.body.find("ERR_BODY_READ"), std::string::npos);
  EXPECT_TRUE(api.labels.all().empty());
}

TEST(DaprApiTest, Shutdown) {
  TestApi api;
  EXPECT_EQ(api.post("/v1.0/shutdown", "").status, 204);
  EXPECT_EQ(api.shutdowns, 1);
  EXPECT_EQ(api.get("/v1.0/shutdown").status, 404);
  EXPECT_EQ(api.shutdowns, 1);
}

TEST(DaprApiTest, AnswersNameTheirTraceUnlessTracingIsOff) {
  const telemetry::Sampler always(1);
  const telemetry::Sampler never(0);
  const HeaderList caller = {{"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
                             {"tracestate", "a=b"}};
  TestApi traced(Backends::kAll, [&](ApiOptions& options) { options.sampler = always; });
  const Answer told = traced.call({.method = "GET", .target = "/v1.0/metadata", .headers = caller});
  const auto trace = telemetry::parse_traceparent(told.header("traceparent").value_or(""));
  ASSERT_TRUE(trace);
  EXPECT_EQ(trace->trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_NE(trace->parent_id, 0x00f067aa0ba902b7U);
  EXPECT_EQ(told.header("tracestate"), "a=b");
  EXPECT_TRUE(telemetry::parse_traceparent(traced.get("/v1.0/nothing").header("traceparent").value_or("")));
  EXPECT_EQ(traced.get("/v1.0/healthz").header("traceparent"), std::nullopt);
  EXPECT_EQ(traced.post("/v1.0/healthz", "").header("traceparent"), std::nullopt);
  EXPECT_EQ(traced.get("/healthz").header("traceparent"), std::nullopt);
  const Answer carried = traced.call({.method = "GET", .target = "/v1.0/metadata", .headers = {{"Baggage", "user=1"}}});
  EXPECT_EQ(carried.header("baggage"), "user=1");
  const Answer joined = traced.call(
      {.method = "GET", .target = "/v1.0/metadata", .headers = {{"baggage", "user=1"}, {"baggage", " b = 2;p"}}});
  EXPECT_EQ(joined.header("baggage"), "user=1, b = 2;p");
  const Answer none = traced.call({.method = "GET", .target = "/v1.0/metadata", .headers = {{"baggage", "user"}}});
  EXPECT_EQ(none.status, 400);
  EXPECT_EQ(none.body, "invalid baggage header: invalid baggage list-member: \"user\"\n");

  TestApi quiet(Backends::kAll, [&](ApiOptions& options) { options.sampler = never; });
  EXPECT_EQ(quiet.call({.method = "GET", .target = "/v1.0/metadata", .headers = caller}).header("traceparent"),
            std::nullopt);
}

TEST(DaprApiTest, ApiToken) {
  TestApi api(Backends::kAll, [](ApiOptions& options) { options.api_token = "secret"; });
  for (const HeaderList& headers :
       {HeaderList{}, HeaderList{{"dapr-api-token", "secreT"}}, HeaderList{{"dapr-api-token", ""}}}) {
    const Answer refused = api.call({.method = "GET", .target = "/v1.0/metadata", .headers = headers});
    EXPECT_EQ(refused.status, 401);
    EXPECT_EQ(refused.body, "invalid api token\n");
    EXPECT_EQ(refused.header("content-type"), "text/plain; charset=utf-8");
    EXPECT_EQ(api.call({.method = "GET", .target = "/v1.0/invoke/callee/method/m", .headers = headers}).status, 401);
  }
  EXPECT_EQ(api.get("/v1.0/healthz").status, 204);
  EXPECT_EQ(api.get("/v1.0/healthz/outbound").status, 204);
  const HeaderList token = {{"Dapr-Api-Token", "secret"}};
  EXPECT_EQ(api.call({.method = "GET", .target = "/v1.0/metadata", .headers = token}).status, 200);
  EXPECT_EQ(api.call({.method = "GET", .target = "/v1.0/invoke/callee/method/m", .headers = token}).status, 200);
  EXPECT_EQ(api.callee.header("dapr-api-token"), std::nullopt);
}

TEST(DaprApiTest, TheIdentityIsThePortsNotAHeaders) {
  TestApi api;
  api.call({.method = "POST",
            .target = "/v1.0/state/store",
            .headers = {{"dapr-caller-app-id", "other"}, {"dapr-app-id", "callee"}},
            .body = R"([{"key":"k","value":1}])"});
  EXPECT_TRUE(api.store->items.contains("caller||k"));
}

TEST(DaprApiTest, BlocksThatAreNotConfigured) {
  TestApi api;
  const struct {
    std::string_view method;
    std::string_view target;
    int status;
    std::string_view code;
  } cases[] = {
      {"POST", "/v1.0/bindings/b", 500, "ERR_INVOKE_OUTPUT_BINDING"},
      {"POST", "/v1.0-alpha1/lock/l", 500, "ERR_LOCK_STORE_NOT_CONFIGURED"},
      {"PUT", "/v1.0-alpha1/crypto/c/encrypt", 500, "ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED"},
      {"POST", "/v1.0-alpha1/subtlecrypto/c/sign", 501, "ERR_API_UNIMPLEMENTED"},
      {"POST", "/v1.0/actors/t/1/method/m", 400, "ERR_ACTOR_NO_PLACEMENT"},
      {"POST", "/v1.0/workflows/dapr/w/start", 400, "ERR_ACTOR_NO_PLACEMENT"},
      {"POST", "/v1.0-alpha2/conversation/c/converse", 400, "ERR_CONVERSATION_NOT_FOUND"},
      {"POST", "/v1.0-alpha1/jobs/j", 500, "DAPR_SCHEDULER_SCHEDULE_JOB"},
      {"GET", "/v1.0-alpha1/jobs/j", 500, "DAPR_SCHEDULER_GET_JOB"},
      {"DELETE", "/v1.0-alpha1/jobs/j", 500, "DAPR_SCHEDULER_DELETE_JOB"},
  };
  for (const auto& c : cases) {
    const Answer answer = api.call({.method = std::string(c.method), .target = std::string(c.target), .body = "{}"});
    EXPECT_EQ(answer.status, c.status) << c.target;
    EXPECT_TRUE(answer.body.starts_with("{\"errorCode\":\"" + std::string(c.code) + "\"")) << answer.body;
    EXPECT_TRUE(parse_json(answer.body)) << answer.body;
    EXPECT_EQ(answer.count, 1);
  }
  EXPECT_THAT(api.get("/v1.0-alpha1/jobs/j").body, testing::HasSubstr(R"("metadata":{"appID":"caller","namespace":")"));
}

TEST(DaprApiTest, BodiesOfBlocksThatAreNotConfiguredAreReadFirst) {
  TestApi api;
  for (const std::string_view target : {"/v1.0/bindings/b", "/v1.0-alpha1/lock/l", "/v1.0-alpha1/unlock/l"}) {
    for (const std::string_view body : {"{broken", "[1]"}) {
      const Answer answer = api.post(std::string(target), std::string(body));
      EXPECT_EQ(answer.status, 400) << target;
      EXPECT_THAT(answer.body,
                  testing::HasSubstr(R"("ERR_MALFORMED_REQUEST","message":"failed deserializing HTTP body: )"));
    }
  }
  EXPECT_EQ(api.post("/v1.0/bindings/b", "").status, 400);
}

TEST(DaprApiTest, CorsIsOffUntilAsked) {
  TestApi api;
  const HeaderList origin = {{"Origin", "http://shop.example"}};
  EXPECT_EQ(api.call({.method = "GET", .target = "/v1.0/healthz", .headers = origin}).headers.size(), 0U);
  EXPECT_EQ(api.call({.method = "OPTIONS",
                      .target = "/v1.0/healthz",
                      .headers = {{"Origin", "http://a"}, {"Access-Control-Request-Method", "GET"}}})
                .status,
            404);
}

TEST(DaprApiTest, CorsForAllOrigins) {
  TestApi api(Backends::kAll, [](ApiOptions& options) { options.allowed_origins = "*"; });
  const HeaderList origin = {{"Origin", "http://shop.example"}};
  for (const std::string target : {"/v1.0/healthz", "/v1.0/invoke/callee/method/m", "/nothing"}) {
    const Answer answer = api.call({.method = "GET", .target = target, .headers = origin});
    EXPECT_EQ(answer.header("access-control-allow-origin"), "*") << target;
    EXPECT_EQ(answer.header("vary"), "Origin");
  }
  EXPECT_EQ(api.get("/v1.0/healthz").header("access-control-allow-origin"), std::nullopt);

  const Answer preflight = api.call({.method = "OPTIONS",
                                     .target = "/v1.0/state/store",
                                     .headers = {{"Origin", "http://shop.example"},
                                                 {"Access-Control-Request-Method", "POST"},
                                                 {"Access-Control-Request-Headers", "content-type"}}});
  EXPECT_EQ(preflight.status, 200);
  EXPECT_EQ(preflight.header("access-control-allow-methods"), "POST");
  EXPECT_EQ(preflight.header("access-control-allow-headers"), "Content-Type");
}

TEST(DaprApiTest, CorsForSomeOrigins) {
  TestApi api(Backends::kAll, [](ApiOptions& options) { options.allowed_origins = "http://a.example,https://*.shop"; });
  const auto allowed = [&](std::string origin) {
    return api.call({.method = "GET", .target = "/v1.0/healthz", .headers = {{"Origin", std::move(origin)}}})
        .header("access-control-allow-origin");
  };
  EXPECT_EQ(allowed("http://a.example"), "http://a.example");
  EXPECT_EQ(allowed("https://x.shop"), "https://x.shop");
  EXPECT_EQ(allowed("http://x.shop"), std::nullopt);
  EXPECT_EQ(allowed("http://b.example"), std::nullopt);
  EXPECT_FALSE(is_origin_allowed("a*a", "a"));
}

TEST(DaprApiTest, TakesTheTraceOver) {
  TestApi api;
  api.call(
      {.method = "POST",
       .target = "/v1.0/publish/bus/t",
       .headers = {{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, {"tracestate", "a=b"}},
       .body = "x"});
  ASSERT_EQ(api.bus->published.size(), 1U);
  EXPECT_NE(api.bus->published[0].data->find("0af7651916cd43dd8448eb211c80319c"), std::string::npos)
      << *api.bus->published[0].data;
}

TEST(DaprApiTest, StartsATraceWhereNoneCame) {
  for (const HeaderList& headers : {HeaderList{}, HeaderList{{"traceparent", "nonsense"}, {"tracestate", "a=b"}}}) {
    TestApi api(Backends::kAll, [](ApiOptions& options) { options.sampler = telemetry::Sampler(1); });
    ASSERT_EQ(api.call({.target = "/v1.0/invoke/callee/method/m", .headers = headers}).status, 200);
    const auto trace = telemetry::parse_traceparent(api.callee.trace.traceparent);
    ASSERT_TRUE(trace) << api.callee.trace.traceparent;
    EXPECT_TRUE(trace->sampled());
    EXPECT_EQ(api.callee.header("traceparent"), api.callee.trace.traceparent);
    EXPECT_EQ(api.callee.header("tracestate"), std::nullopt);

    ASSERT_EQ(api.call({.method = "POST", .target = "/v1.0/publish/bus/t", .headers = headers, .body = "x"}).status,
              204);
    const std::string& event = *api.bus->published.at(0).data;
    const auto member = [&](const std::string& name) {
      const std::size_t at = event.find("\"" + name + "\":\"");
      return at == std::string::npos ? std::string() : event.substr(at + name.size() + 4, 55);
    };
    EXPECT_TRUE(telemetry::parse_traceparent(member("traceparent"))) << event;
    EXPECT_EQ(member("traceid"), member("traceparent"));
  }
}

TEST(DaprApiTest, NoTraceIsToldWhereTracingIsOff) {
  TestApi api(Backends::kAll, [](ApiOptions& options) { options.sampler = telemetry::Sampler(0); });
  const std::string parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  api.get("/v1.0/invoke/callee/method/m");
  EXPECT_EQ(api.callee.header("traceparent"), std::nullopt);
  api.call({.target = "/v1.0/invoke/callee/method/m", .headers = {{"traceparent", parent}}});
  EXPECT_TRUE(api.callee.header("traceparent").value_or("").starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
}

TEST(DaprApiTest, ATraceIsContinuedWithASpanOfItsOwn) {
  TestApi api;
  const std::string parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  api.call({.target = "/v1.0/invoke/callee/method/m", .headers = {{"traceparent", parent}, {"tracestate", "a=b"}}});
  EXPECT_EQ(telemetry::trace_id_of(api.callee.trace), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_NE(api.callee.trace.traceparent, parent);
  EXPECT_EQ(api.callee.header("traceparent"), api.callee.trace.traceparent);
  EXPECT_EQ(api.callee.header("tracestate"), "a=b");
}

TEST(DaprApiTest, AnApiThatIsNotAllowedIsNotThere) {
  const auto with = [](std::vector<config::ApiRule> allowed, std::vector<config::ApiRule> denied) {
    return [=](ApiOptions& options) {
      config::Configuration configuration;
      configuration.api_allowed = allowed;
      configuration.api_denied = denied;
      options.access = config::ApiAccess(configuration);
    };
  };
  TestApi denied(Backends::kAll, with({}, {{"state", "v1", "http"}, {"shutdown", "v1.0", "http"}}));
  for (const auto& [method, target] : {std::pair{"GET", "/v1.0/state/store/k"}, std::pair{"POST", "/v1.0/state/store"},
                                       std::pair{"POST", "/v1.0/shutdown"}}) {
    const Answer answer = denied.call({.method = method, .target = target, .body = "[]"});
    EXPECT_EQ(answer.status, 404) << target;
    EXPECT_NE(answer.body.find("ERR_DIRECT_INVOKE"), std::string::npos) << answer.body;
  }
  EXPECT_EQ(denied.shutdowns, 0);
  EXPECT_EQ(denied.get("/v1.0/metadata").status, 200);
  EXPECT_EQ(denied.get("/v1.0/invoke/callee/method/m").status, 200);
  // Taken for an invocation, as every path that is not there.
  EXPECT_EQ(denied.call({.target = "/v1.0/state/store/k", .headers = {{"dapr-app-id", "callee"}}}).status, 200);
  EXPECT_EQ(denied.callee.target, "/v1.0/state/store/k");

  TestApi allowed(Backends::kAll, with({{"publish", "v1", "http"}, {"metadata", "v1.0", "http"}}, {}));
  EXPECT_EQ(allowed.post("/v1.0/publish/bus/t", "x").status, 204);
  EXPECT_EQ(allowed.get("/v1.0/metadata").status, 200);
  EXPECT_EQ(allowed.get("/v1.0/healthz").status, 204);
  for (const char* target :
       {"/v1.0/state/store/k", "/v1.0/invoke/callee/method/m", "/nothing", "/v1.0-alpha1/publish/bulk/bus/t"}) {
    const Answer answer = allowed.call({.target = target, .headers = {{"dapr-app-id", "callee"}}});
    EXPECT_EQ(answer.status, 404) << target;
    EXPECT_EQ(answer.body, "404 page not found\n");
  }
}

TEST(DaprApiTest, APathThatDoesNotDecodeIsRefusedInGosWords) {
  TestApi api;
  for (const std::string target : {"/v1.0/state/store/%zz", "/v1.0/state/%/k", "/v1.0/invoke/callee/method/a%2",
                                   "/v1.0/metadata/%zz", "/nothing/%zz"}) {
    const Answer answer = api.call({.method = "GET", .target = target});
    EXPECT_EQ(answer.status, 400) << target;
    EXPECT_EQ(answer.body, "400 Bad Request");
    EXPECT_EQ(answer.headers, (HeaderList{{"Content-Type", "text/plain; charset=utf-8"}}));
  }
  EXPECT_EQ(api.get("/v1.0/healthz?x=%zz").status, 204);
}

TEST(DaprApiTest, EveryRequestIsAnsweredOnce) {
  TestApi api;
  for (const std::string method : {"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "QUERY"}) {
    for (const std::string target :
         {"/v1.0/state/store/k", "/v1.0/state/store", "/v1.0/state/store/bulk", "/v1.0/state/store/transaction",
          "/v1.0/publish/bus/t", "/v1.0/publish/bulk/bus/t", "/v1.0/metadata", "/v1.0/metadata/k", "/v1.0/healthz",
          "/x", "/v1.0/invoke/callee/method/m", "/v1.0/secrets/vault/k", "/v1.0/configuration/items"}) {
      for (const std::string body : {"", "[]", "{}", "null", "[{\"key\":\"k\",\"value\":1}]"}) {
        const Answer answer = api.call({.method = method, .target = target, .body = body, .piece = body.size() % 3});
        EXPECT_EQ(answer.count, 1) << method << ' ' << target << ' ' << body;
        EXPECT_TRUE(answer.finished);
      }
    }
  }
}

}  // namespace
}  // namespace tandem::api::http
