#include "api/http/secret_routes.h"

#include <gtest/gtest.h>

#include "api/http/testing/test_api.h"

namespace tandem::api::http {
namespace {

TEST(SecretRoutesTest, GivesSecrets) {
  TestApi api;
  api.vault->all = {{"one", {{"one", "1<"}}}, {"a/b", {{"k", "v"}, {"l", "w"}}}, {"denied", {{"denied", "x"}}}};
  const Answer one = api.get("/v1.0/secrets/vault/one?metadata.version_id=2&x=y");
  EXPECT_EQ(one.status, 200);
  EXPECT_EQ(one.header("content-type"), "application/json");
  EXPECT_EQ(one.body, "{\"one\":\"1\\u003c\"}\n");
  EXPECT_EQ(api.vault->metadata, (Metadata{{"version_id", "2"}}));
  EXPECT_EQ(api.get("/v1.0/secrets/vault/a%2Fb").body, "{\"k\":\"v\",\"l\":\"w\"}\n");
  EXPECT_EQ(api.get("/v1.0/secrets/vault/bulk").body,
            "{\"a/b\":{\"k\":\"v\",\"l\":\"w\"},\"one\":{\"one\":\"1\\u003c\"}}\n");
  api.vault->all.clear();
  EXPECT_EQ(api.get("/v1.0/secrets/vault/bulk").body, "{}\n");
}

TEST(SecretRoutesTest, FailsAsDaprd) {
  TestApi api;
  const struct {
    std::string_view target;
    int status;
    std::string_view body;
  } cases[] = {
      {"/v1.0/secrets/vault/denied", 403,
       R"({"errorCode":"ERR_PERMISSION_DENIED","message":"access denied by policy to get \"denied\" from \"vault\""})"},
      {"/v1.0/secrets/nowhere/k", 401,
       R"({"errorCode":"ERR_SECRET_STORE_NOT_FOUND","message":"failed finding secret store with key nowhere"})"},
      {"/v1.0/secrets/nowhere/bulk", 401,
       R"({"errorCode":"ERR_SECRET_STORE_NOT_FOUND","message":"failed finding secret store with key nowhere"})"},
      {"/v1.0/secrets/vault/missing", 500,
       R"({"errorCode":"ERR_SECRET_GET","message":"failed getting secret with key missing from secret store vault: )"
       R"(secret missing not found"})"},
  };
  for (const auto& c : cases) {
    const Answer answer = api.get(std::string(c.target));
    EXPECT_EQ(answer.status, c.status) << c.target;
    EXPECT_EQ(answer.body, c.body) << c.target;
  }
  api.vault->all = {{"broken", {}}};
  EXPECT_EQ(api.get("/v1.0/secrets/vault/bulk").status, 500);

  TestApi none(Backends::kNone);
  for (const std::string target : {"/v1.0/secrets/s/k", "/v1.0/secrets/s/bulk"}) {
    const Answer answer = none.get(target);
    EXPECT_EQ(answer.status, 500);
    EXPECT_EQ(answer.body,
              R"({"errorCode":"ERR_SECRET_STORES_NOT_CONFIGURED","message":"secret store is not configured"})");
  }
}

}  // namespace
}  // namespace tandem::api::http
