#include "config/api_access.h"

#include <gtest/gtest.h>

namespace tandem::config {
namespace {

ApiAccess access(std::vector<ApiRule> allowed, std::vector<ApiRule> denied) {
  Configuration configuration;
  configuration.api_allowed = std::move(allowed);
  configuration.api_denied = std::move(denied);
  return ApiAccess(configuration);
}

TEST(ApiAccess, WithoutRulesForHttpEverythingIsThere) {
  EXPECT_FALSE(ApiAccess().restricts());
  EXPECT_TRUE(ApiAccess().allows("v1.0", "state/{storeName}"));
  const ApiAccess grpc = access({{"state", "v1", "grpc"}}, {{"publish", "v1", "grpc"}});
  EXPECT_FALSE(grpc.restricts());
  EXPECT_TRUE(grpc.allows("v1.0", "publish/{pubsubname}/*"));
}

TEST(ApiAccess, WhatIsAllowedIsAllThereIs) {
  for (const char* version : {"v1", "v1.0"}) {
    const ApiAccess state = access({{"state", version, "http"}}, {});
    EXPECT_TRUE(state.restricts());
    EXPECT_TRUE(state.allows("v1.0", "state/{storeName}/{key}")) << version;
    EXPECT_FALSE(state.allows("v1.0-alpha1", "state/{storeName}/query")) << version;
    EXPECT_FALSE(state.allows("v1.0", "publish/{pubsubname}/*")) << version;
    EXPECT_FALSE(state.allows("v1.0", "invoke/*")) << version;
  }
  for (const char* version : {"v1alpha1", "v1.0-alpha1"}) {
    const ApiAccess query = access({{"state", version, "http"}}, {});
    EXPECT_TRUE(query.allows("v1.0-alpha1", "state/{storeName}/query")) << version;
    EXPECT_FALSE(query.allows("v1.0", "state/{storeName}")) << version;
  }
}

TEST(ApiAccess, WhatIsDeniedIsNotThereEvenWhenAllowed) {
  const ApiAccess both = access({{"state", "v1", "http"}, {"metadata", "v1", "http"}}, {{"state", "v1.0", "http"}});
  EXPECT_FALSE(both.allows("v1.0", "state/{storeName}"));
  EXPECT_TRUE(both.allows("v1.0", "metadata"));
  const ApiAccess bulk = access({}, {{"publish/bulk", "v1.0", "http"}});
  EXPECT_FALSE(bulk.allows("v1.0", "publish/bulk/{pubsubname}/*"));
  EXPECT_TRUE(bulk.allows("v1.0", "publish/{pubsubname}/*"));
  EXPECT_TRUE(bulk.allows("v1.0", "shutdown"));
}

}  // namespace
}  // namespace tandem::config
