#include "api/http/pubsub_routes.h"

#include <gtest/gtest.h>

#include "api/http/bulk_publish_request.h"
#include "api/http/testing/test_api.h"
#include "base/json.h"

namespace tandem::api::http {
namespace {

bool has_code(const Answer& answer, std::string_view code) {
  return answer.body.find("\"errorCode\":\"" + std::string(code) + "\"") != std::string::npos &&
         parse_json(answer.body);
}

TEST(PubsubRoutesTest, PublishesWithTheTopicAsItIs) {
  TestApi api;
  for (const std::string method : {"POST", "PUT"}) {
    const Answer answer =
        api.call({.method = method,
                  .target = "/v1.0/publish/bus/orders/new%20ones?metadata.ttlInSeconds=9&metadata.rawPayload=true",
                  .headers = {{"Content-Type", "application/json"}},
                  .body = R"({"id":1})"});
    EXPECT_EQ(answer.status, 204);
    EXPECT_EQ(answer.body, "");
    EXPECT_EQ(answer.count, 1);
  }
  ASSERT_EQ(api.bus->published.size(), 2U);
  EXPECT_EQ(api.bus->published[0].topic, "orders/new ones");
  EXPECT_EQ(*api.bus->published[0].data, R"({"id":1})");
  EXPECT_EQ(api.bus->published[0].metadata.at("ttlInSeconds"), "9");
  EXPECT_EQ(api.bus->publisher, "caller");
}

TEST(PubsubRoutesTest, WrapsIntoACloudEvent) {
  TestApi api;
  EXPECT_EQ(api.call({.method = "POST",
                      .target = "/v1.0/publish/bus/orders",
                      .headers = {{"content-type", "application/json"}},
                      .body = R"({"id":1})",
                      .piece = 3})
                .status,
            204);
  ASSERT_EQ(api.bus->published.size(), 1U);
  const std::string& envelope = *api.bus->published[0].data;
  EXPECT_TRUE(parse_json(envelope));
  EXPECT_NE(envelope.find("\"specversion\":\"1.0\""), std::string::npos) << envelope;
  EXPECT_NE(envelope.find("\"source\":\"caller\""), std::string::npos) << envelope;
}

TEST(PubsubRoutesTest, AnEncodedSlashIsATopic) {
  TestApi api;
  EXPECT_EQ(api.post("/v1.0/publish/bus/%2F?metadata.rawPayload=1", "x").status, 204);
  ASSERT_EQ(api.bus->published.size(), 1U);
  EXPECT_EQ(api.bus->published[0].topic, "/");
}

TEST(PubsubRoutesTest, Errors) {
  TestApi api;
  const Answer unknown = api.post("/v1.0/publish/other/t?metadata.a=b&metadata.rawPayload=perhaps", "x");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_TRUE(has_code(unknown, "ERR_PUBSUB_NOT_FOUND")) << unknown.body;
  EXPECT_NE(unknown.body.find(R"("metadata":{"a":"b","rawPayload":"perhaps"},"reason":"DAPR_PUBSUB_NOT_FOUND")"),
            std::string::npos)
      << unknown.body;

  const Answer raw = api.post("/v1.0/publish/bus/t?metadata.rawPayload=perhaps", "x");
  EXPECT_EQ(raw.status, 400);
  EXPECT_TRUE(has_code(raw, "ERR_PUBSUB_REQUEST_METADATA")) << raw.body;
  EXPECT_NE(raw.body.find("rawPayload value must be a valid boolean: actual is 'perhaps'"), std::string::npos);

  const Answer broken = api.post("/v1.0/publish/bus/broken?metadata.rawPayload=true", "x");
  EXPECT_EQ(broken.status, 500);
  EXPECT_TRUE(has_code(broken, "ERR_PUBSUB_PUBLISH_MESSAGE")) << broken.body;
  EXPECT_NE(broken.body.find(R"("resource_name":"bus","resource_type":"pubsub")"), std::string::npos);

  EXPECT_EQ(api.post("/v1.0/publish/bus", "x").status, 404);
  EXPECT_EQ(api.post("/v1.0/publish/bus/", "x").status, 404);
}

TEST(PubsubRoutesTest, LimitsTheBody) {
  TestApi api(Backends::kAll, [](ApiOptions& options) { options.max_body_bytes = 8; });
  EXPECT_EQ(api.post("/v1.0/publish/bus/t?metadata.rawPayload=true", "12345678").status, 204);
  const Answer large = api.post("/v1.0/publish/bus/t", "123456789");
  EXPECT_EQ(large.status, 500);
  EXPECT_TRUE(has_code(large, "ERR_PUBSUB_PUBLISH_MESSAGE"));
  const Answer bulk = api.post("/v1.0/publish/bulk/bus/t", "[         ]");
  EXPECT_EQ(bulk.status, 400);
  EXPECT_TRUE(has_code(bulk, "ERR_PUBSUB_EVENTS_SER"));
}

TEST(PubsubRoutesTest, WhereCallsAreNotTracedAnEventHasNoTrace) {
  TestApi api(Backends::kAll, [](ApiOptions& options) { options.sampler = telemetry::Sampler(0); });
  const HeaderList traced = {{"Content-Type", "application/json"},
                             {"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}};
  api.call({.method = "POST", .target = "/v1.0/publish/bus/t", .headers = traced, .body = "1"});
  api.call({.method = "POST",
            .target = "/v1.0/publish/bulk/bus/t",
            .headers = traced,
            .body = R"([{"entryId":"1","event":1,"contentType":"application/json"}])"});
  ASSERT_EQ(api.bus->published.size(), 2U);
  for (const auto& event : api.bus->published) {
    EXPECT_NE(event.data->find(R"("traceid":"","traceparent":"","tracestate":"")"), std::string::npos) << *event.data;
  }
}

TEST(PubsubRoutesTest, PublishesInBulk) {
  TestApi api;
  const std::string body = R"([{"entryId":"1","event":{"n": 1.0},"contentType":"application/json"},)"
                           R"({"entryId":"2","event":"t\u00e9xt","contentType":"text/plain","metadata":{"m":"v"}},)"
                           R"({"entryId":"3","event":"AAEC","contentType":"application/octet-stream"}])";
  for (const std::string target : {"/v1.0/publish/bulk/bus/a/b?metadata.rawPayload=true",
                                   "/v1.0-alpha1/publish/bulk/bus/a/b?metadata.rawPayload=true"}) {
    api.bus->published.clear();
    const Answer answer = api.post(target, body);
    EXPECT_EQ(answer.status, 204) << answer.body;
    ASSERT_EQ(api.bus->published.size(), 3U);
    EXPECT_EQ(api.bus->published[0].topic, "a/b");
    EXPECT_EQ(*api.bus->published[0].data, R"({"n":1})");
    EXPECT_EQ(*api.bus->published[1].data, "t\u00e9xt");
    EXPECT_EQ(*api.bus->published[2].data, std::string_view("\0\1\2", 3));
  }
}

TEST(PubsubRoutesTest, BulkNamesTheEntriesThatFailed) {
  TestApi api;
  const Answer answer = api.post("/v1.0/publish/bulk/bus/t?metadata.rawPayload=true",
                                 R"([{"entryId":"good","event":"ok","contentType":"text/plain"},)"
                                 R"({"entryId":"bad","event":"poison","contentType":"text/plain"}])");
  EXPECT_EQ(answer.status, 500);
  EXPECT_TRUE(has_code(answer, "ERR_PUBSUB_PUBLISH_MESSAGE"));
  EXPECT_TRUE(answer.body.starts_with(R"({"failedEntries":[{"entryId":"bad","error":")")) << answer.body;
  EXPECT_EQ(api.bus->published.size(), 1U);
}

TEST(PubsubRoutesTest, MalformedBulkBodies) {
  TestApi api;
  const struct {
    std::string body;
    std::string_view reason;
  } cases[] = {
      {"", "DAPR_PUBSUB_UNMARSHAL_EVENTS"},
      {"{}", "DAPR_PUBSUB_UNMARSHAL_EVENTS"},
      {"[1]", "DAPR_PUBSUB_UNMARSHAL_EVENTS"},
      {R"([{"entryId":1}])", "DAPR_PUBSUB_UNMARSHAL_EVENTS"},
      {R"([{"entryId":"1","metadata":[]}])", "DAPR_PUBSUB_UNMARSHAL_EVENTS"},
      {R"([{"entryId":"1","event":{},"contentType":"text/plain"}])", "DAPR_PUBSUB_MARSHAL_ENVELOPE"},
      {R"([{"entryId":"1","event":"x"}])", "DAPR_PUBSUB_MARSHAL_ENVELOPE"},
      {R"([{"entryId":"1","event":"***","contentType":"application/octet-stream"}])", "DAPR_PUBSUB_MARSHAL_ENVELOPE"},
      {R"([{"event":"x","contentType":"text/plain"}])", "DAPR_PUBSUB_MARSHAL_EVENTS"},
      {R"([{"entryId":"1","event":1,"contentType":"application/json"},{"entryId":"1","event":1,"contentType":"application/json"}])",
       "DAPR_PUBSUB_MARSHAL_EVENTS"},
  };
  for (const auto& c : cases) {
    const Answer answer = api.post("/v1.0/publish/bulk/bus/t", c.body);
    EXPECT_EQ(answer.status, 400) << c.body;
    EXPECT_TRUE(has_code(answer, "ERR_PUBSUB_EVENTS_SER")) << answer.body;
    EXPECT_NE(answer.body.find(c.reason), std::string::npos) << answer.body;
    const Answer unknown = api.post("/v1.0/publish/bulk/other/t", c.body);
    EXPECT_EQ(unknown.status, 404);
    EXPECT_TRUE(has_code(unknown, "ERR_PUBSUB_NOT_FOUND")) << unknown.body;
  }
  EXPECT_TRUE(api.bus->published.empty());
}

}  // namespace
}  // namespace tandem::api::http
