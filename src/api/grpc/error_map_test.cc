#include "api/grpc/error_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace tandem::api::grpc {
namespace {

// The details as text, "Type{…}" each.
std::vector<std::string> details_of(const ::grpc::Status& status) {
  google::rpc::Status rich;
  EXPECT_TRUE(rich.ParseFromString(status.error_details()));
  if (!status.error_details().empty()) {
    EXPECT_EQ(rich.code(), status.error_code());
    EXPECT_EQ(rich.message(), status.error_message());
  }
  std::vector<std::string> texts;
  for (const auto& any : rich.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::ResourceInfo resource;
    google::rpc::BadRequest bad;
    google::rpc::Help help;
    if (any.UnpackTo(&info)) {
      std::string text = "ErrorInfo " + info.domain() + " " + info.reason();
      for (const auto& [name, value] : std::map(info.metadata().begin(), info.metadata().end())) {
        text.append(" ").append(name).append("=").append(value);
      }
      texts.push_back(text);
    } else if (any.UnpackTo(&resource)) {
      texts.push_back("ResourceInfo " + resource.resource_type() + " " + resource.resource_name() + " " +
                      resource.owner() + resource.description());
    } else if (any.UnpackTo(&bad)) {
      texts.push_back("BadRequest " + bad.field_violations(0).field() + ": " + bad.field_violations(0).description());
    } else if (any.UnpackTo(&help)) {
      texts.push_back("Help " + help.links(0).url());
    }
  }
  return texts;
}

TEST(GrpcErrorMapTest, AStoreThatIsNotThere) {
  const auto status = to_status({Code::kInvalidArgument, "ERR_STATE_STORE_NOT_FOUND", "state store s is not found"},
                                {.component = "s"});
  EXPECT_EQ(status.error_code(), ::grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "state store s is not found");
  EXPECT_THAT(details_of(status), testing::ElementsAre("ErrorInfo dapr.io DAPR_STATE_NOT_FOUND"));
}

TEST(GrpcErrorMapTest, AKeyThatNoStoreTakes) {
  const auto status =
      to_status({Code::kInvalidArgument, "ERR_MALFORMED_REQUEST", "no"}, {.component = "s", .key = "a||b"});
  EXPECT_THAT(details_of(status), testing::ElementsAre("BadRequest a||b: no", "ResourceInfo state s ",
                                                       "ErrorInfo dapr.io DAPR_STATE_ILLEGAL_KEY"));
}

TEST(GrpcErrorMapTest, FailuresOfAStoreCarryTheirReasonAlone) {
  for (const std::string reason : {"ERR_STATE_GET", "ERR_STATE_SAVE", "ERR_STATE_DELETE", "ERR_STATE_BULK_DELETE",
                                   "ERR_STATE_TRANSACTION", "ERR_INVOKE_OUTPUT_BINDING"}) {
    const auto status = to_status({Code::kAborted, reason, "why"}, {.component = "s"});
    EXPECT_EQ(status.error_code(), ::grpc::StatusCode::ABORTED);
    EXPECT_THAT(details_of(status), testing::ElementsAre("ErrorInfo dapr.io " + reason));
  }
  const auto operation = to_status({Code::kInvalidArgument, "ERR_NOT_SUPPORTED_STATE_OPERATION", "why"});
  EXPECT_EQ(operation.error_code(), ::grpc::StatusCode::UNIMPLEMENTED);
  const auto bulk = to_status({Code::kInternal, "ERR_STATE_BULK_GET", "why"});
  EXPECT_EQ(bulk.error_code(), ::grpc::StatusCode::UNKNOWN);
  EXPECT_EQ(bulk.error_details(), "");
}

TEST(GrpcErrorMapTest, TransactionsThatAreNotSupportedPointToHelp) {
  const auto status = to_status({Code::kUnimplemented, "ERR_STATE_STORE_NOT_SUPPORTED", "no"}, {.component = "s"});
  EXPECT_THAT(details_of(status),
              testing::ElementsAre("Help https://docs.dapr.io/reference/components-reference/supported-state-stores/",
                                   "ResourceInfo state s ", "ErrorInfo dapr.io DAPR_STATE_TRANSACTIONS_NOT_SUPPORTED"));
}

TEST(GrpcErrorMapTest, PubsubErrorsNameTopicAndCause) {
  const auto status = to_status({Code::kInternal, "ERR_PUBSUB_PUBLISH_MESSAGE", "error: full"},
                                {.app_id = "a", .component = "bus", .topic = "t", .cause = "full"});
  EXPECT_EQ(status.error_code(), ::grpc::StatusCode::INTERNAL);
  EXPECT_THAT(details_of(status),
              testing::ElementsAre("ResourceInfo pubsub bus error: full",
                                   "ErrorInfo dapr.io DAPR_PUBSUB_PUBLISH_MESSAGE error=full topic=t"));
}

TEST(GrpcErrorMapTest, AnErrorThatDaprGivesNoDetailsHasNone) {
  const auto status = to_status(invoke_failed("b", "why"));
  EXPECT_EQ(status.error_code(), ::grpc::StatusCode::INTERNAL);
  EXPECT_EQ(status.error_message(), "failed to invoke, id: b, err: why");
  EXPECT_EQ(status.error_details(), "");
}

TEST(GrpcErrorMapTest, HttpStatusesAreMappedAsDaprMapsThem) {
  EXPECT_TRUE(status_of_http(204, "").ok());
  const struct {
    int http;
    ::grpc::StatusCode code;
    std::string text;
  } cases[] = {{400, ::grpc::StatusCode::INTERNAL, "Bad Request"},
               {401, ::grpc::StatusCode::UNAUTHENTICATED, "Unauthorized"},
               {404, ::grpc::StatusCode::NOT_FOUND, "Not Found"},
               {413, ::grpc::StatusCode::UNKNOWN, "Request Entity Too Large"},
               {500, ::grpc::StatusCode::UNKNOWN, "Internal Server Error"},
               {503, ::grpc::StatusCode::UNAVAILABLE, "Service Unavailable"},
               {799, ::grpc::StatusCode::UNKNOWN, ""}};
  for (const auto& one : cases) {
    const auto status = status_of_http(one.http, "detail");
    EXPECT_EQ(status.error_code(), one.code) << one.http;
    EXPECT_EQ(status.error_message(), one.text) << one.http;
    EXPECT_THAT(details_of(status), testing::ElementsAre("ErrorInfo dapr.io " + one.text + " http.code=" +
                                                         std::to_string(one.http) + " http.error_message=detail"));
  }
}

TEST(GrpcErrorMapTest, ALongDetailIsCutBetweenCharacters) {
  const std::string text = std::string(62, 'x') + "\u00e9" + std::string(50, 'y');
  google::rpc::Status rich;
  ASSERT_TRUE(rich.ParseFromString(status_of_http(500, text).error_details()));
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(rich.details(0).UnpackTo(&info));
  EXPECT_EQ(info.metadata().at("http.error_message"), std::string(62, 'x'));
}

}  // namespace
}  // namespace tandem::api::grpc
