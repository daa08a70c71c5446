#include "components/grpc/component_error.h"

#include <gtest/gtest.h>

#include "blocks/state/state_store.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace tandem::components::grpc {
namespace {

using ::grpc::StatusCode;

template <class... Details>
::grpc::Status status(StatusCode code, const Details&... details) {
  google::rpc::Status rich;
  rich.set_code(code);
  (rich.add_details()->PackFrom(details), ...);
  return {code, "no", rich.SerializeAsString()};
}

google::rpc::BadRequest violation(const std::string& field) {
  google::rpc::BadRequest detail;
  auto& one = *detail.add_field_violations();
  one.set_field(field);
  one.set_description("it is another one");
  return detail;
}

google::rpc::ErrorInfo rows(const std::string& expected, const std::string& affected) {
  google::rpc::ErrorInfo detail;
  (*detail.mutable_metadata())["expected"] = expected;
  (*detail.mutable_metadata())["affected"] = affected;
  return detail;
}

TEST(ComponentError, HasGosText) {
  const Error error = component_error({StatusCode::NOT_FOUND, "no such key"});
  EXPECT_EQ(error.code, Code::kNotFound);
  EXPECT_EQ(error.message, "rpc error: code = NotFound desc = no such key");
}

TEST(ComponentError, AnEtagIsKnownByTheDetail) {
  const Error mismatch = write_error(status(StatusCode::FAILED_PRECONDITION, violation("etag")));
  EXPECT_TRUE(state::is_etag_mismatch(mismatch));
  EXPECT_TRUE(mismatch.message.ends_with("it is another one")) << mismatch.message;
  const Error invalid = write_error(status(StatusCode::INVALID_ARGUMENT, violation("etag")));
  EXPECT_TRUE(state::is_etag_invalid(invalid));
}

TEST(ComponentError, NothingElseIsAnEtagError) {
  google::rpc::BadRequest two = violation("etag");
  two.add_field_violations()->set_field("etag");
  for (const ::grpc::Status& one :
       {status(StatusCode::FAILED_PRECONDITION, violation("key")), status(StatusCode::FAILED_PRECONDITION, two),
        status(StatusCode::FAILED_PRECONDITION, violation("etag"), violation("etag")),
        status(StatusCode::INVALID_ARGUMENT, rows("1", "0")), status(StatusCode::ABORTED, violation("etag")),
        ::grpc::Status(StatusCode::INVALID_ARGUMENT, "no"),
        ::grpc::Status(StatusCode::FAILED_PRECONDITION, "no", "no message of that kind")}) {
    const Error error = write_error(one);
    EXPECT_FALSE(state::is_etag_mismatch(error) || state::is_etag_invalid(error)) << error.message;
    EXPECT_TRUE(error.message.ends_with("desc = no")) << error.message;
  }
}

TEST(ComponentError, ABulkDeleteCountsRows) {
  EXPECT_EQ(bulk_delete_error(status(StatusCode::INTERNAL, rows("3", "1"))).message,
            "delete affected only 1 rows, expected 3");
  EXPECT_EQ(bulk_delete_error(status(StatusCode::INTERNAL, rows("3", "one"))).message,
            "rpc error: code = Internal desc = no");
  EXPECT_EQ(write_error(status(StatusCode::INTERNAL, rows("3", "1"))).message, "rpc error: code = Internal desc = no");
  EXPECT_TRUE(state::is_etag_mismatch(bulk_delete_error(status(StatusCode::FAILED_PRECONDITION, violation("etag")))));
}

}  // namespace
}  // namespace tandem::components::grpc
