#include "app/grpc/on_invoke.h"

#include <string_view>

#include "app/grpc/rpc_error.h"
#include "app/grpc/trace_metadata.h"
#include "base/percent.h"
#include "blocks/rpc_status.h"
#include "net/grpc/header_metadata.h"

namespace tandem::app::grpc {
namespace {

using ::dapr::proto::common::v1::HTTPExtension;

// What Go's HTTP server makes of a text without a content type.
constexpr std::string_view kPlainText = "text/plain; charset=utf-8";

bool is_left_out(std::string_view key) {
  return key == "user-agent" || key == "dapr-host" || key == "destination-app-id" || key == "dapr-api-token" ||
         key == "traceparent" || key == "tracestate";
}

void add_headers(const ::grpc::ClientContext& context, InvokeReply& reply) {
  for (const auto& [key, value] : context.GetServerInitialMetadata()) {
    const std::string_view text(value.data(), value.size());
    if (auto name = net::grpc::header_of_metadata({key.data(), key.size()}, text)) {
      reply.headers.emplace_back(std::move(*name), std::string(text));
    }
  }
}

}  // namespace

::dapr::proto::common::v1::InvokeRequest invoke_request(const net::RequestHead& head) {
  ::dapr::proto::common::v1::InvokeRequest request;
  const std::size_t question = head.target.find('?');
  std::string_view path = head.target.substr(0, question);
  if (path.starts_with('/')) path.remove_prefix(1);
  request.set_method(percent_decode_leniently(path));
  HTTPExtension& extension = *request.mutable_http_extension();
  HTTPExtension::Verb verb = HTTPExtension::NONE;
  if (HTTPExtension::Verb_Parse(std::string(head.method), &verb)) extension.set_verb(verb);
  if (question != std::string_view::npos) extension.set_querystring(std::string(head.target.substr(question + 1)));
  if (const auto type = net::find_header(head.headers, "content-type")) request.set_content_type(std::string(*type));
  return request;
}

net::grpc::MetadataPairs invoke_metadata(const net::RequestHead& head) {
  net::grpc::MetadataPairs pairs = net::grpc::metadata_of_headers(head.headers);
  std::erase_if(pairs, [](const auto& pair) { return is_left_out(pair.first); });
  TraceContext trace;
  trace.traceparent = net::find_header(head.headers, "traceparent").value_or("");
  trace.tracestate = net::find_header(head.headers, "tracestate").value_or("");
  add_trace(trace, pairs);
  return pairs;
}

InvokeReply invoke_reply(const ::grpc::Status& status, const ::grpc::ClientContext* context,
                         ::dapr::proto::common::v1::InvokeResponse& response) {
  InvokeReply reply;
  reply.status = http_status_of(status.error_code());
  if (context != nullptr) add_headers(*context, reply);
  if (!status.ok()) {
    reply.body = rpc_json(status);
    reply.headers.emplace_back("content-type", kPlainText);
    return reply;
  }
  std::string type = response.data().type_url().empty() ? response.content_type() : "application/x-protobuf";
  if (!type.empty()) reply.headers.emplace_back("content-type", std::move(type));
  reply.body = std::move(*response.mutable_data()->mutable_value());
  return reply;
}

}  // namespace tandem::app::grpc
