// The HTTP answer of a called app on its way into the answer of InvokeService.
//
// A sink belongs to the worker that calls the app. Headers become metadata of the call as daprd has it: lower case,
// those that HTTP itself defines with "dapr-" before them, the status in dapr-http-status.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "api/grpc/bounded_body.h"
#include "api/grpc/unary_call.h"
#include "dapr/proto/common/v1/common.pb.h"
#include "net/grpc/header_metadata.h"
#include "net/response_sink.h"

namespace tandem::api::grpc {

using net::grpc::metadata_of_headers;
using net::grpc::MetadataPairs;

class InvokeAnswer final : public net::ResponseSink {
 public:
  // Over `limit` bytes the call fails with RESOURCE_EXHAUSTED. The answer tells `traceparent`, unless that is empty or
  // the app tells its own.
  InvokeAnswer(SharedCall call, std::string app_id, std::size_t limit,
               ::dapr::proto::common::v1::InvokeResponse& response, std::string traceparent)
      : call_(std::move(call)),
        app_id_(std::move(app_id)),
        response_(response),
        traceparent_(std::move(traceparent)),
        body_(limit) {}

  void on_head(int status, net::Headers headers) override;
  void on_body(std::string_view piece, Completion<void> resume) override;
  void on_end(net::Headers trailers) override;
  void on_error(Error error) override;

 private:
  const SharedCall call_;
  const std::string app_id_;
  ::dapr::proto::common::v1::InvokeResponse& response_;  // touched only once the answer is claimed
  std::string traceparent_;
  int status_ = 0;
  std::string content_type_;
  MetadataPairs headers_;
  BoundedBody body_;
};

}  // namespace tandem::api::grpc
