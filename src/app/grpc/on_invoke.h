// An HTTP exchange as a call of AppCallback.OnInvoke and its answer back, mapped as daprd maps it.
//
// Plain functions, any thread, never throw. Source: daprd 1.18, invocation of an app with app-protocol grpc.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <string>
#include <utility>
#include <vector>

#include "dapr/proto/common/v1/common.pb.h"
#include "net/grpc/call_route.h"
#include "net/http.h"

namespace tandem::app::grpc {

// Method, verb, query and content type; the data are the body.
::dapr::proto::common::v1::InvokeRequest invoke_request(const net::RequestHead& head);

// The headers as metadata, with the trace in both of its forms. Neither the caller's token nor what the library writes.
net::grpc::MetadataPairs invoke_metadata(const net::RequestHead& head);

struct InvokeReply {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};
// `context` is that of the call, which has ended with `status`; null: it has not been made. Takes the data out of
// `response`.
InvokeReply invoke_reply(const ::grpc::Status& status, const ::grpc::ClientContext* context,
                         ::dapr::proto::common::v1::InvokeResponse& response);

}  // namespace tandem::app::grpc
