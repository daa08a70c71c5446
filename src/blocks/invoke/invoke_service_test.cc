#include "blocks/invoke/invoke_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tandem::invoke {
namespace {

class NoEndpoint final : public Endpoint {
 public:
  net::Handler& handler(std::size_t) override { std::abort(); }
};

TEST(InvokeServiceTest, FindsAppsByTheirId) {
  NoEndpoint orders;
  NoEndpoint shop;
  InvokeService service;
  ASSERT_TRUE(service.add("orders", orders));
  ASSERT_TRUE(service.add("shop", shop));
  EXPECT_EQ(service.resolve("orders").value(), &orders);
  EXPECT_EQ(service.resolve("shop").value(), &shop);
  EXPECT_THAT(service.app_ids(), testing::ElementsAre("orders", "shop"));
  EXPECT_EQ(service.add("shop", orders).error().code, Code::kAlreadyExists);
  EXPECT_EQ(service.add("", orders).error().code, Code::kInvalidArgument);
}

TEST(InvokeServiceTest, NamesTheAppThatIsMissing) {
  const Error error = InvokeService().resolve("nobody").error();
  EXPECT_EQ(error.code, Code::kNotFound);
  EXPECT_EQ(error.reason, "ERR_DIRECT_INVOKE");
  EXPECT_EQ(error.message, "failed to invoke, id: nobody, err: couldn't find service: nobody");
  EXPECT_EQ(InvokeService().resolve("").error().reason, "ERR_DIRECT_INVOKE");
}

TEST(InvokeServiceTest, AnIdMayNameTheNamespaceOfTheProcess) {
  NoEndpoint orders;
  InvokeService service;
  ASSERT_TRUE(service.add("orders", orders, "127.0.0.1:8080"));
  const Result<Callee> callee = service.find("orders.default");
  ASSERT_TRUE(callee) << callee.error().message;
  EXPECT_EQ(callee->app_id, "orders");
  EXPECT_EQ(callee->authority, "127.0.0.1:8080");
  EXPECT_EQ(callee->endpoint, &orders);
  EXPECT_EQ(service.find("orders.shop").error().message,
            "failed to invoke, id: orders.shop, err: couldn't find service: orders.shop");
  EXPECT_EQ(service.find("orders.default.svc").error().message,
            "failed to invoke, id: orders.default.svc, err: invalid app id orders.default.svc");
  EXPECT_EQ(service.find("orders.default.svc").error().code, Code::kInvalidArgument);
  EXPECT_EQ(service.find("http://a.b.c").error().code, Code::kNotFound);

  InvokeService other("shop");
  ASSERT_TRUE(other.add("orders", orders));
  EXPECT_EQ(other.find("orders.shop")->authority, "orders");
  EXPECT_FALSE(other.find("orders.default"));
}

TEST(InvokeServiceTest, AppsElsewhereAreFoundByTheirName) {
  NoEndpoint orders;
  NoEndpoint elsewhere;
  InvokeService service;
  ASSERT_TRUE(service.add("orders", orders));
  service.set_elsewhere(elsewhere);
  EXPECT_EQ(service.find("orders")->endpoint, &orders);
  EXPECT_FALSE(service.find("orders")->elsewhere);
  const Result<Callee> callee = service.find("shop.other");
  ASSERT_TRUE(callee);
  EXPECT_EQ(callee->app_id, "shop");
  EXPECT_EQ(callee->authority, "shop.other");
  EXPECT_EQ(callee->endpoint, &elsewhere);
  EXPECT_TRUE(callee->elsewhere);
  EXPECT_TRUE(service.find("orders.other")->elsewhere);
  for (const char* target : {"", ".other", "a.b.c", "http://a", "https://a.b"}) {
    EXPECT_FALSE(service.find(target)) << target;
  }
}

TEST(InvokeServiceTest, ServersOutsideDaprAreFoundByTheirCallersNames) {
  NoEndpoint weather;
  NoEndpoint shop;
  InvokeService service;
  ASSERT_TRUE(service.add("shop", shop));
  ASSERT_TRUE(service.add_external("orders", "weather", "https://weather.example/v2", weather));
  ASSERT_TRUE(service.add_external("orders", "shop", "http://shop.example", weather));
  EXPECT_EQ(service.add_external("orders", "weather", "http://other", weather).error().code, Code::kAlreadyExists);
  for (const char* target : {"weather", "weather.default"}) {
    const auto callee = service.find_external("orders", target);
    ASSERT_TRUE(callee) << target;
    EXPECT_EQ(callee->app_id, "weather");
    EXPECT_EQ(callee->authority, "https://weather.example/v2");
    EXPECT_EQ(callee->endpoint, &weather);
  }
  EXPECT_TRUE(service.find_external("orders", "shop"));
  EXPECT_FALSE(service.find_external("shop", "weather"));
  EXPECT_FALSE(service.find_external("orders", "weather.a.b"));
  EXPECT_FALSE(service.find_external("orders", "nobody"));
}

TEST(InvokeServiceTest, AUrlIsATargetOnceSomethingServesUrls) {
  NoEndpoint urls;
  InvokeService service;
  EXPECT_FALSE(service.find_external("orders", "http://localhost:8080"));
  service.serve_urls(urls);
  const std::string target = "http://localhost:8080";
  const auto callee = service.find_external("orders", target);
  ASSERT_TRUE(callee);
  EXPECT_EQ(callee->app_id, target);
  EXPECT_EQ(callee->authority, target);
  EXPECT_EQ(callee->endpoint, &urls);
  EXPECT_FALSE(service.find_external("orders", "ftp://localhost"));
}

}  // namespace
}  // namespace tandem::invoke
