#include "api/http/configuration_routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/http/testing/test_api.h"

namespace tandem::api::http {
namespace {

// With an app that can be called.
class ConfigurationRoutesTest : public testing::Test {
 protected:
  void SetUp() override { api_.metadata.metadata.connection.port = 8080; }

  // The id in an answer to subscribe.
  std::string subscribe(const std::string& query = "") {
    const Answer answer = api_.get("/v1.0/configuration/items/subscribe" + query);
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_THAT(answer.body, testing::MatchesRegex("\\{\"id\":\"[0-9a-f-]*\"\\}\n"));
    return answer.body.substr(7, 36);
  }

  TestApi api_;
};

TEST_F(ConfigurationRoutesTest, GivesItems) {
  api_.items->items = {{"a", {.value = "1", .version = "v1"}},
                       {"b", {.value = "\"", .metadata = {{"m", "x"}}}},
                       {"c d", {.value = "3"}}};
  const Answer two = api_.get("/v1.0/configuration/items?key=a&key=c%20d&key=none&metadata.x=y");
  EXPECT_EQ(two.status, 200);
  EXPECT_EQ(two.header("content-type"), "application/json");
  EXPECT_EQ(two.body, "{\"a\":{\"value\":\"1\",\"version\":\"v1\"},\"c d\":{\"value\":\"3\"}}\n");
  EXPECT_EQ(api_.get("/v1.0-alpha1/configuration/items").body,
            "{\"a\":{\"value\":\"1\",\"version\":\"v1\"},\"b\":{\"value\":\"\\\"\",\"metadata\":{\"m\":\"x\"}},"
            "\"c d\":{\"value\":\"3\"}}\n");
  const Answer nothing = api_.get("/v1.0/configuration/items?key=none");
  EXPECT_EQ(nothing.status, 204);
  EXPECT_EQ(nothing.body, "");
}

TEST_F(ConfigurationRoutesTest, FailsAsDaprd) {
  for (const std::string rest : {"", "?key=a", "/subscribe", "/id/unsubscribe"}) {
    const Answer unknown = api_.get("/v1.0/configuration/nowhere" + rest);
    EXPECT_EQ(unknown.status, 400) << rest;
    EXPECT_EQ(unknown.body,
              R"({"errorCode":"ERR_CONFIGURATION_STORE_NOT_FOUND","message":"configuration store nowhere not found"})");
    TestApi none(Backends::kNone);
    const Answer none_there = none.get("/v1.0/configuration/nowhere" + rest);
    EXPECT_EQ(none_there.status, 500) << rest;
    EXPECT_THAT(none_there.body, testing::HasSubstr("ERR_CONFIGURATION_STORE_NOT_CONFIGURED"));
  }
  EXPECT_EQ(api_.get("/v1.0/configuration/items/none/unsubscribe").status, 500);
  EXPECT_EQ(api_.get("/v1.0/configuration/items/none/unsubscribe").body,
            "{\"message\":\"failed to unsubscribe to configuration request none: subscription with id none does not "
            "exist\"}\n");
  api_.items->items = {{"broken", {}}};
  EXPECT_EQ(
      api_.get("/v1.0/configuration/items?key=a").body,
      R"({"errorCode":"ERR_CONFIGURATION_GET","message":"failed to get [a] from Configuration store items: store )"
      R"(on fire"})");
  EXPECT_EQ(
      api_.get("/v1.0/configuration/items/subscribe?key=a&key=b").body,
      R"({"errorCode":"ERR_CONFIGURATION_SUBSCRIBE","message":"failed to subscribe [a b] from Configuration store )"
      R"(items: store on fire"})");
  api_.metadata.metadata.connection.port = 0;
  const Answer no_app = api_.get("/v1.0/configuration/items/subscribe");
  EXPECT_EQ(no_app.status, 500);
  EXPECT_EQ(no_app.body,
            R"({"errorCode":"ERR_APP_CHANNEL_NIL","message":"app channel is not initialized. cannot subscribe to )"
            R"(configuration updates"})");
}

TEST_F(ConfigurationRoutesTest, PostsChangesToTheApp) {
  const std::string id = subscribe("?key=a%2Fb%3Fc&key=d");
  api_.items->change("other", {.value = "x"});
  api_.items->change("a/b?c", {.value = "1", .version = "v1"});
  api_.loop.run_ready();
  EXPECT_EQ(api_.caller.method, "POST");
  EXPECT_EQ(api_.caller.target, "/configuration/items/a/b%3Fc");
  EXPECT_EQ(api_.caller.header("content-type"), "application/json");
  EXPECT_EQ(api_.caller.body, "{\"id\":\"" + id + "\",\"items\":{\"a/b?c\":{\"value\":\"1\",\"version\":\"v1\"}}}\n");
  EXPECT_EQ(api_.caller.last_worker, 3U);

  // A key that is gone; the app's refusal keeps nothing back.
  api_.caller.status = 500;
  api_.items->change("d", {});
  api_.loop.run_ready();
  EXPECT_EQ(api_.caller.body, "{\"id\":\"" + id + "\",\"items\":{\"d\":{}}}\n");
  api_.items->change("d", {.value = "2"});
  api_.loop.run_ready();
  EXPECT_THAT(api_.caller.body, testing::HasSubstr("\"2\""));

  EXPECT_EQ(api_.get("/v1.0/configuration/items/" + id + "/unsubscribe").body, "{\"ok\":true}\n");
  EXPECT_TRUE(api_.items->watchers.empty());
}

TEST_F(ConfigurationRoutesTest, WithoutKeysEveryChangeComes) {
  subscribe();
  api_.items->change("any", {.value = "1"});
  api_.loop.run_ready();
  EXPECT_EQ(api_.caller.target, "/configuration/items/any");
}

}  // namespace
}  // namespace tandem::api::http
