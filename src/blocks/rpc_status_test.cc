#include "blocks/rpc_status.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

TEST(RpcStatusTest, EveryCodeHasItsStatusOfHttp) {
  EXPECT_EQ(http_status_of(Code::kOk), 200);
  EXPECT_EQ(http_status_of(Code::kCancelled), 408);
  EXPECT_EQ(http_status_of(Code::kUnknown), 500);
  EXPECT_EQ(http_status_of(Code::kInvalidArgument), 400);
  EXPECT_EQ(http_status_of(Code::kDeadlineExceeded), 504);
  EXPECT_EQ(http_status_of(Code::kNotFound), 404);
  EXPECT_EQ(http_status_of(Code::kAlreadyExists), 409);
  EXPECT_EQ(http_status_of(Code::kPermissionDenied), 403);
  EXPECT_EQ(http_status_of(Code::kResourceExhausted), 429);
  EXPECT_EQ(http_status_of(Code::kFailedPrecondition), 400);
  EXPECT_EQ(http_status_of(Code::kAborted), 409);
  EXPECT_EQ(http_status_of(Code::kOutOfRange), 400);
  EXPECT_EQ(http_status_of(Code::kUnimplemented), 501);
  EXPECT_EQ(http_status_of(Code::kInternal), 500);
  EXPECT_EQ(http_status_of(Code::kUnavailable), 503);
  EXPECT_EQ(http_status_of(Code::kDataLoss), 500);
  EXPECT_EQ(http_status_of(Code::kUnauthenticated), 401);
  EXPECT_EQ(http_status_of(17), 500);
  EXPECT_EQ(http_status_of(-1), 500);
}

TEST(RpcStatusTest, TheTextIsGos) {
  EXPECT_EQ(rpc_text(Code::kCancelled, "x"), "rpc error: code = Canceled desc = x");
  EXPECT_EQ(rpc_text(16, ""), "rpc error: code = Unauthenticated desc = ");
  EXPECT_EQ(rpc_text(99, "own"), "rpc error: code = Code(99) desc = own");
  EXPECT_EQ(rpc_text(-1, "own"), "rpc error: code = Code(4294967295) desc = own");
}

}  // namespace
}  // namespace tandem
