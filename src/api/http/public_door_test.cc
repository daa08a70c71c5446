#include "api/http/public_door.h"

#include <gtest/gtest.h>

#include "api/http/testing/test_api.h"

namespace tandem::api::http {
namespace {

class PublicDoorTest : public testing::Test {
 protected:
  Answer call(std::string method, std::string target) {
    const auto answer = std::make_shared<Answer>();
    door_->handle(std::make_unique<FakeExchange>(
        Request{.method = std::move(method), .target = std::move(target), .body = "x"}, answer));
    api_.loop.run_ready();
    return *answer;
  }

  std::unique_ptr<PublicDoor> door_;
  TestApi api_{Backends::kAll, [this](ApiOptions& options) {
                 options.api_token = "secret";
                 door_ = std::make_unique<PublicDoor>(options);
               }};
};

TEST_F(PublicDoorTest, HealthAndMetadataNeedNoToken) {
  EXPECT_EQ(call("GET", "/v1.0/healthz").status, 204);
  EXPECT_EQ(call("GET", "/v1.0/healthz/outbound").status, 204);
  EXPECT_EQ(call("GET", "/v1.0/metadata").status, 200);
  EXPECT_EQ(call("PUT", "/v1.0/metadata/owner").status, 204);
}

TEST_F(PublicDoorTest, NothingElseIsThere) {
  for (const char* target : {"/v1.0/state/store/key", "/v1.0/invoke/callee/method/x", "/", "/v1.0/shutdown"}) {
    EXPECT_EQ(call("GET", target).status, 404) << target;
    EXPECT_EQ(call("POST", target).status, 404) << target;
  }
  EXPECT_EQ(api_.shutdowns, 0);
}

}  // namespace
}  // namespace tandem::api::http
