#include "api/grpc/error_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "net/http_head.h"

namespace tandem::api::grpc {
namespace {

constexpr std::string_view kDomain = "dapr.io";

// Errors whose reason daprd gives as it is, in an ErrorInfo alone.
constexpr auto kPlainReasons = std::to_array<std::string_view>({
    "ERR_STATE_GET",
    "ERR_STATE_SAVE",
    "ERR_STATE_DELETE",
    "ERR_STATE_BULK_DELETE",
    "ERR_STATE_TRANSACTION",
    "ERR_NOT_SUPPORTED_STATE_OPERATION",
    "ERR_CONFIGURATION_STORE_NOT_CONFIGURED",
    "ERR_CONFIGURATION_STORE_NOT_FOUND",
    "ERR_CONFIGURATION_GET",
    "ERR_CONFIGURATION_SUBSCRIBE",
    "ERR_INVOKE_OUTPUT_BINDING",
});

Code code_of(const Error& error) {
  // daprd passes these on without a code of their own.
  if (error.reason == "ERR_STATE_BULK_GET") return Code::kUnknown;
  if (error.reason == "ERR_NOT_SUPPORTED_STATE_OPERATION") return Code::kUnimplemented;
  // An entry id that is there twice is told apart inside, not on the wire.
  if (error.reason == "ERR_PUBSUB_EVENTS_SER") return Code::kInvalidArgument;
  return error.code;
}

google::rpc::ErrorInfo error_info(std::string_view reason, const Metadata& metadata) {
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain(std::string(kDomain));
  for (const auto& [name, value] : metadata) (*info.mutable_metadata())[name] = value;
  return info;
}

void add_details(google::rpc::Status& status, const ErrorDetails& details) {
  if (details.violation) {
    google::rpc::BadRequest request;
    auto& violation = *request.add_field_violations();
    violation.set_field(details.violation->field);
    violation.set_description(details.violation->description);
    status.add_details()->PackFrom(request);
  }
  if (details.help) {
    google::rpc::Help help;
    auto& link = *help.add_links();
    link.set_description(details.help->description);
    link.set_url(details.help->url);
    status.add_details()->PackFrom(help);
  }
  if (details.resource) {
    google::rpc::ResourceInfo resource;
    resource.set_resource_type(details.resource->type);
    resource.set_resource_name(details.resource->name);
    resource.set_description(details.resource->description);
    status.add_details()->PackFrom(resource);
  }
  status.add_details()->PackFrom(error_info(details.reason, details.metadata.value_or(Metadata())));
}

::grpc::Status with_details(google::rpc::Status status) {
  const auto code = static_cast<::grpc::StatusCode>(status.code());
  if (status.details().empty()) return {code, status.message()};
  return {code, status.message(), status.SerializeAsString()};
}

struct HttpMeaning {
  int status;
  Code code;
};
constexpr std::array kHttpCodes = {HttpMeaning{400, Code::kInternal},          HttpMeaning{401, Code::kUnauthenticated},
                                   HttpMeaning{403, Code::kPermissionDenied},  HttpMeaning{404, Code::kNotFound},
                                   HttpMeaning{408, Code::kCancelled},         HttpMeaning{409, Code::kAlreadyExists},
                                   HttpMeaning{429, Code::kResourceExhausted}, HttpMeaning{500, Code::kUnknown},
                                   HttpMeaning{501, Code::kUnimplemented},     HttpMeaning{503, Code::kUnavailable},
                                   HttpMeaning{504, Code::kDeadlineExceeded}};

}  // namespace

::grpc::Status to_status(const Error& error, const ErrorSite& site) {
  google::rpc::Status status;
  status.set_code(static_cast<int>(code_of(error)));
  status.set_message(error.message);
  if (const auto details = details_of(error, site)) {
    add_details(status, *details);
  } else if (std::ranges::find(kPlainReasons, error.reason) != kPlainReasons.end()) {
    status.add_details()->PackFrom(error_info(error.reason, {}));
  }
  return with_details(std::move(status));
}

::grpc::Status status_of_http(int http_status, std::string_view detail) {
  if (http_status >= 200 && http_status < 300) return ::grpc::Status::OK;
  // The most that the value of an ErrorInfo may have, less one, as daprd cuts it.
  constexpr std::size_t kLongest = 63;
  const auto code = std::ranges::find(kHttpCodes, http_status, &HttpMeaning::status);
  const std::string_view reason = net::reason_phrase(http_status);
  google::rpc::Status status;
  status.set_code(static_cast<int>(code == kHttpCodes.end() ? Code::kUnknown : code->code));
  status.set_message(std::string(reason));
  // Cut between characters: what is no UTF-8 cannot travel in a message.
  std::size_t length = std::min(detail.size(), kLongest);
  while (length < detail.size() && length > 0 && (static_cast<unsigned char>(detail[length]) & 0xC0U) == 0x80U) {
    --length;
  }
  status.add_details()->PackFrom(error_info(reason, {{"http.code", fmt::format("{}", http_status)},
                                                     {"http.error_message", std::string(detail.substr(0, length))}}));
  return with_details(std::move(status));
}

Error invoke_failed(std::string_view app_id, std::string_view cause) {
  return {Code::kInternal, "ERR_DIRECT_INVOKE", fmt::format("failed to invoke, id: {}, err: {}", app_id, cause)};
}

}  // namespace tandem::api::grpc
