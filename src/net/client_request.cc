#include "net/client_request.h"

#include <utility>

#include "base/text.h"
#include "net/http_head.h"

namespace tandem::net {

ClientRequest with_port(ClientRequest request) {
  if (request.port == 0) request.port = request.scheme == "https" ? 443 : 80;
  return request;
}

Status check_request(const ClientRequest& request) {
  if (request.scheme != "http" && request.scheme != "https") {
    return fail(Code::kInvalidArgument,
                "cannot send to \"" + request.scheme + "://\": only http and https are supported");
  }
  if (request.host.empty()) return fail(Code::kInvalidArgument, "cannot send a request without a host");
  for (const char c : request.host) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '/' || c == '@' || c == '\x7f') {
      return fail(Code::kInvalidArgument, "the host of the request is not valid");
    }
  }
  if (!valid_token(request.method)) return fail(Code::kInvalidArgument, "the method of the request is not valid");
  if (request.target.empty() || (request.target.front() != '/' && request.target != "*")) {
    return fail(Code::kInvalidArgument, "the target of the request to " + peer_of(request) + " is not a path");
  }
  for (const char c : request.target) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f') {
      return fail(Code::kInvalidArgument, "the target of the request to " + peer_of(request) + " is not valid");
    }
  }
  for (const OwnedHeader& header : request.headers) {
    if (!valid_header({header.name, header.value})) {
      return fail(Code::kInvalidArgument, "a header of the request to " + peer_of(request) + " is not valid");
    }
  }
  return {};
}

std::string key_of(const ClientRequest& request) {
  std::string key = request.scheme + "://" + request.host + ":" + std::to_string(request.port);
  if (request.verify == ClientVerify::kNothing) key += " unverified";
  return to_lower(key);
}

std::string peer_of(const ClientRequest& request) { return request.host + ":" + std::to_string(request.port); }

std::string authority_of(const ClientRequest& request) {
  const bool bare_v6 = request.host.find(':') != std::string::npos && request.host.front() != '[';
  std::string host = bare_v6 ? "[" + request.host + "]" : request.host;
  if (request.port != (request.scheme == "https" ? 443 : 80)) host += ":" + std::to_string(request.port);
  return host;
}

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" || method == "OPTIONS" ||
         method == "TRACE";
}

bool is_clients_own(std::string_view header) {
  return is_framing_header(header) || equals_ignoring_case(header, "expect") || equals_ignoring_case(header, "upgrade");
}

std::optional<std::uint64_t> whole_length(const ClientRequest& request) {
  const std::string* const whole = std::get_if<std::string>(&request.body);
  if (whole == nullptr) return std::nullopt;
  const bool usual = request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (whole->empty() && !usual) return std::nullopt;
  return whole->size();
}

std::optional<std::uint64_t> streamed_length(const ClientRequest& request) {
  std::optional<std::uint64_t> length;
  if (std::holds_alternative<std::string>(request.body)) return length;
  for (const OwnedHeader& header : request.headers) {
    if (equals_ignoring_case(header.name, "content-length")) length = parse_length(header.value);
  }
  return length;
}

Status count_piece(const ClientRequest& request, std::size_t bytes, std::optional<std::uint64_t>& left) {
  if (!left) return {};
  const bool longer = bytes > *left;
  if (longer || (bytes == 0 && *left > 0)) {
    return fail(Code::kInvalidArgument, "the body of the request to " + peer_of(request) + " is " +
                                            (longer ? "longer" : "shorter") + " than its Content-Length");
  }
  *left -= bytes;
  return {};
}

}  // namespace tandem::net
