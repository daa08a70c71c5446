#include "server/app_routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace tandem::server {
namespace {

class NoEndpoint final : public invoke::Endpoint {
 public:
  net::Handler& handler(std::size_t) override { std::abort(); }
};

class AppRoutesTest : public testing::Test {
 protected:
  AppRoutesTest() {
    (void)invoke_.add("speaks", endpoint_);
    (void)invoke_.add("guest", endpoint_);
    routes_.add({.app_id = "speaks", .metadata = {{"dapr-api-token", "t"}}});
  }
  Result<net::grpc::CallRoute> find(std::string_view target) {
    std::optional<Result<net::grpc::CallRoute>> found;
    routes_.find(target, [&](Result<net::grpc::CallRoute> route) { found = std::move(route); });
    return *found;
  }

  NoEndpoint endpoint_;
  invoke::InvokeService invoke_{"shop"};
  AppRoutes routes_{invoke_};
};

TEST_F(AppRoutesTest, FindsAnAppAlsoWithItsNamespace) {
  EXPECT_EQ(find("speaks")->app_id, "speaks");
  EXPECT_EQ(find("speaks.shop")->metadata.front().second, "t");
  EXPECT_EQ(routes_.here("speaks")->app_id, "speaks");
  EXPECT_EQ(routes_.here("guest"), nullptr);
}

TEST_F(AppRoutesTest, FailsAsDaprdDoes) {
  EXPECT_EQ(find("nobody").error().code, Code::kUnknown);
  EXPECT_EQ(find("nobody").error().message, "couldn't find service: nobody");
  EXPECT_EQ(find("speaks.elsewhere").error().message, "couldn't find service: speaks.elsewhere");
  EXPECT_EQ(find("a.b.c").error().message, "invalid app id a.b.c");
  EXPECT_EQ(find("guest").error().code, Code::kUnavailable);
  EXPECT_THAT(find("guest").error().message, testing::HasSubstr("app guest does not speak gRPC"));
}

TEST_F(AppRoutesTest, AnAppElsewhereIsAskedForByNameAndGivenUp) {
  invoke_.set_elsewhere(endpoint_);
  std::string asked;
  int broken = 0;
  routes_.set_elsewhere([&](std::string_view app_id, std::string_view name_space, auto done) {
    asked = std::string(app_id) + "/" + std::string(name_space);
    if (app_id == "nobody") return done(fail(Code::kNotFound, "couldn't find service: nobody"));
    done(net::grpc::CallRoute{.app_id = std::string(app_id), .broken = [&] { ++broken; }});
  });
  const auto route = find("far.away");
  ASSERT_TRUE(route) << route.error().message;
  EXPECT_EQ(asked, "far/away");
  EXPECT_EQ(route->metadata, (net::grpc::MetadataPairs{{"dapr-app-id", "far"}}));
  route->broken();
  EXPECT_EQ(broken, 1);
  EXPECT_EQ(find("nobody").error().code, Code::kUnknown);
  EXPECT_EQ(asked, "nobody/");
}

}  // namespace
}  // namespace tandem::server
