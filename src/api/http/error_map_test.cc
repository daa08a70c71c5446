#include "api/http/error_map.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace tandem::api::http {
namespace {

TEST(ErrorMapTest, StateErrorsCarryDetails) {
  const WireError missing = to_wire({Code::kInvalidArgument, "ERR_STATE_STORE_NOT_FOUND", "state store s is not found"},
                                    {.app_id = "app", .component = "s"});
  EXPECT_EQ(missing.status, 400);
  EXPECT_EQ(missing.body,
            R"({"errorCode":"ERR_STATE_STORE_NOT_FOUND","message":"state store s is not found","details":[)"
            R"({"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"dapr.io","metadata":{"appID":"app"},)"
            R"("reason":"DAPR_STATE_NOT_FOUND"}]})");

  const WireError key =
      to_wire({Code::kInvalidArgument, "ERR_MALFORMED_REQUEST", "no"}, {.component = "s", .key = "a||b"});
  EXPECT_EQ(key.status, 400);
  EXPECT_EQ(
      key.body,
      R"({"errorCode":"ERR_MALFORMED_REQUEST","message":"no","details":[)"
      R"({"@type":"type.googleapis.com/google.rpc.BadRequest","field_violations":[{"field":"a||b","description":"no"}]},)"
      R"({"@type":"type.googleapis.com/google.rpc.ResourceInfo","description":"","owner":"","resource_name":"s",)"
      R"("resource_type":"state"},{"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"dapr.io",)"
      R"("metadata":null,"reason":"DAPR_STATE_ILLEGAL_KEY"}]})");

  const WireError separator =
      to_wire({Code::kInvalidArgument, "ERR_MALFORMED_REQUEST", "input key/keyPrefix 'a||b' can't contain '||'"}, {});
  EXPECT_EQ(separator.body,
            R"({"errorCode":"ERR_MALFORMED_REQUEST","message":"api error: code = InvalidArgument desc = )"
            R"(input key/keyPrefix 'a||b' can't contain '||'"})");

  const WireError unsupported =
      to_wire({Code::kUnimplemented, "ERR_STATE_STORE_NOT_SUPPORTED", "no"}, {.component = "s"});
  EXPECT_EQ(unsupported.status, 500);
  EXPECT_NE(unsupported.body.find("google.rpc.Help"), std::string::npos);
  EXPECT_NE(unsupported.body.find("DAPR_STATE_TRANSACTIONS_NOT_SUPPORTED"), std::string::npos);
}

TEST(ErrorMapTest, StatusDependsOnReasonAndCode) {
  const struct {
    std::string_view reason;
    Code code;
    int status;
  } cases[] = {
      {"ERR_STATE_STORE_NOT_CONFIGURED", Code::kFailedPrecondition, 500},
      {"ERR_STATE_SAVE", Code::kAborted, 409},
      {"ERR_STATE_SAVE", Code::kInvalidArgument, 400},
      {"ERR_STATE_SAVE", Code::kUnavailable, 500},
      {"ERR_STATE_DELETE", Code::kAborted, 409},
      {"ERR_STATE_GET", Code::kUnavailable, 500},
      {"ERR_STATE_TRANSACTION", Code::kAborted, 500},
      {"ERR_PUBSUB_NOT_FOUND", Code::kInvalidArgument, 404},
      {"ERR_PUBSUB_NOT_CONFIGURED", Code::kFailedPrecondition, 400},
      {"ERR_PUBSUB_FORBIDDEN", Code::kPermissionDenied, 403},
      {"ERR_PUBSUB_PUBLISH_MESSAGE", Code::kInternal, 500},
      {"ERR_DIRECT_INVOKE", Code::kPermissionDenied, 403},
      {"ERR_SECRET_STORES_NOT_CONFIGURED", Code::kFailedPrecondition, 500},
      {"", Code::kDeadlineExceeded, 504},
      {"ERR_NOBODY_KNOWS", Code::kNotFound, 404},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(to_wire({c.code, std::string(c.reason), "m"}).status, c.status) << c.reason;
  }
  EXPECT_EQ(to_wire(no_app_id()).status, 404);
  EXPECT_EQ(to_wire({Code::kNotFound, "ERR_DIRECT_INVOKE", "m"}, {.component = "app"}).status, 500);
}

TEST(ErrorMapTest, EveryBodyIsJson) {
  const std::string nasty = "quote \" slash \\ line \n byte \xff";
  const Metadata metadata = {{nasty, nasty}};
  const ErrorSite site{.app_id = nasty, .component = nasty, .topic = nasty, .key = nasty, .metadata = &metadata};
  for (const std::string_view reason : {"ERR_PUBSUB_NOT_FOUND", "ERR_PUBSUB_PUBLISH_MESSAGE", "ERR_MALFORMED_REQUEST",
                                        "ERR_STATE_STORE_NOT_SUPPORTED", "ERR_PUBSUB_EVENTS_SER", "", "x\"y"}) {
    EXPECT_TRUE(parse_json(to_wire({Code::kInternal, std::string(reason), nasty}, site).body)) << reason;
  }
}

}  // namespace
}  // namespace tandem::api::http
