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

}  // namespace
}  // namespace tandem::invoke
