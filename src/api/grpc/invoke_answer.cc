#include "api/grpc/invoke_answer.h"

#include <fmt/format.h>

#include "api/grpc/error_map.h"
#include "blocks/invoke/invoke_service.h"

namespace tandem::api::grpc {
void InvokeAnswer::on_head(int status, net::Headers headers) {
  status_ = status;
  content_type_ = net::find_header(headers, "content-type").value_or("");
  headers_ = metadata_of_headers(headers);
  if (net::find_header(headers, "traceparent")) traceparent_.clear();
}

void InvokeAnswer::on_body(std::string_view piece, Completion<void> resume) {
  body_.add(piece);
  resume({});
}

void InvokeAnswer::on_end(net::Headers) {
  call_->answer([&](AnswerMetadata& metadata) {
    if (::grpc::Status too_large = body_.status(); !too_large.ok()) return too_large;
    for (const auto& [key, value] : headers_) metadata.add_initial(key, value);
    metadata.add_initial("dapr-http-status", fmt::format("{}", status_));
    if (!traceparent_.empty()) metadata.add_initial("traceparent", traceparent_);
    ::grpc::Status status = status_of_http(status_, body_.view());
    if (status.ok()) {
      response_.mutable_data()->set_value(body_.take());
      response_.set_content_type(content_type_);
    }
    return status;
  });
}

void InvokeAnswer::on_error(Error error) {
  if (error.reason == invoke::kStoppedByPolicy) {
    call_->fail({static_cast<::grpc::StatusCode>(error.code), error.message});
    return;
  }
  call_->fail(to_status(invoke_failed(app_id_, error.message)));
}

}  // namespace tandem::api::grpc
