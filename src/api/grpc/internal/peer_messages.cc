#include "api/grpc/internal/peer_messages.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/percent.h"
#include "base/text.h"
#include "blocks/invoke/caller_headers.h"
#include "blocks/invoke/method.h"
#include "blocks/rpc_status.h"
#include "net/hop_headers.h"
#include "net/http_head.h"

namespace tandem::api::grpc {
namespace {

using ::dapr::proto::common::v1::HTTPExtension;
using Values = ::google::protobuf::Map<std::string, peer::ListStringValue>;

using invoke::kCalleeAppId;
using invoke::kCallerAppId;
using invoke::kCallerNamespace;

constexpr std::string_view kDestination = "destination-app-id";

constexpr std::array kOwn = {kCallerAppId, kCalleeAppId, kCallerNamespace, kDestination};

void set(Values& values, std::string_view name, std::string_view value) {
  peer::ListStringValue& list = values[std::string(name)];
  list.clear_values();
  list.add_values(std::string(value));
}

void add(Values& values, std::string_view name, std::string_view value) {
  values[canonical_name(name)].add_values(std::string(value));
}

HTTPExtension::Verb verb_of(std::string_view method) {
  HTTPExtension::Verb verb = HTTPExtension::POST;
  // daprd takes a method that it does not know for a POST.
  if (!HTTPExtension::Verb_Parse(std::string(method), &verb)) return HTTPExtension::POST;
  return verb;
}

// As daprd makes headers of the metadata of a message: without what means one hop, the body's framing, its type, which
// the message has in a place of its own, and binary metadata, which only gRPC can carry.
void append_headers(const Values& values, net::OwnedHeaders& out) {
  net::HopHeaders hop;
  for (const auto& [name, list] : values) {
    for (const std::string& value : list.values()) hop.add(name, value);
  }
  for (const auto& [name, list] : values) {
    std::string key = to_lower(name);
    if (key == kDestination || key == "content-type" || key == "content-length" || key == "host" ||
        key.ends_with("-bin") || hop.contains(key)) {
      continue;
    }
    if (key.starts_with(':')) {
      key.replace(0, 1, "dapr-");
    } else if (key.starts_with("grpc-")) {
      key.insert(0, "dapr-");
    }
    for (const std::string& value : list.values()) out.push_back({key, value});
  }
}

std::optional<std::uint64_t> length_among(const Values& values) {
  for (const auto& [name, list] : values) {
    if (!net::equals_ignoring_case(name, "content-length") || list.values().empty()) continue;
    if (const auto length = net::parse_length(list.values(0))) return length;
  }
  return std::nullopt;
}

// RFC 7239: an IPv6 address stands in brackets and quotes.
std::string forwarded_address(std::string_view address) {
  return address.find(':') == std::string_view::npos ? std::string(address) : fmt::format("\"[{}]\"", address);
}

void add_forwarded(const PeerCall& call, Values& values) {
  std::string forwarded;
  if (!call.host_address.empty()) {
    add(values, "X-Forwarded-For", call.host_address);
    const std::string address = forwarded_address(call.host_address);
    forwarded = fmt::format("for={};by={}", address, address);
  }
  if (!call.host_name.empty()) {
    add(values, "X-Forwarded-Host", call.host_name);
    forwarded += fmt::format("{}host={}", forwarded.empty() ? "" : ";", call.host_name);
  }
  add(values, "Forwarded", forwarded);
}

}  // namespace

std::string canonical_name(std::string_view name) {
  std::string canonical = to_lower(name);
  bool first = true;
  for (char& c : canonical) {
    if (first && c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    first = c == '-';
  }
  return canonical;
}

void fill_request(const net::RequestHead& head, const PeerCall& call, std::optional<std::size_t> body_bytes,
                  peer::InternalInvokeRequest& out) {
  out.set_ver(peer::V1);
  Values& values = *out.mutable_metadata();
  const net::HopHeaders hop(head.headers);
  for (const net::Header& header : head.headers) {
    if (net::is_one_of(header.name, kOwn) || hop.contains(header.name)) continue;
    add(values, header.name, header.value);
  }
  if (body_bytes && *body_bytes > 0 && !net::find_header(head.headers, "content-length")) {
    set(values, "Content-Length", fmt::format("{}", *body_bytes));
  }
  add_forwarded(call, values);
  set(values, kDestination, call.callee_app_id);
  set(values, kCallerNamespace, call.caller_namespace);
  set(values, kCallerAppId, call.caller_app_id);
  set(values, kCalleeAppId, call.callee_app_id);

  auto& message = *out.mutable_message();
  const std::size_t mark = head.target.find('?');
  std::string_view path = head.target.substr(0, mark);
  if (path.starts_with('/')) path.remove_prefix(1);
  message.set_method(percent_decode_leniently(path));
  message.set_content_type(std::string(net::find_header(head.headers, "content-type").value_or("")));
  // A request that did not come by HTTP may have no verb; whether the app needs one, its own sidecar knows.
  if (head.method == HTTPExtension::Verb_Name(HTTPExtension::NONE)) return;
  auto& http = *message.mutable_http_extension();
  http.set_verb(verb_of(head.method));
  if (mark != std::string_view::npos) http.set_querystring(std::string(head.target.substr(mark + 1)));
}

Result<net::OwnedRequest> request_of(const peer::InternalInvokeRequest& message, std::string_view authority,
                                     invoke::MethodIn method_in) {
  const auto& invocation = message.message();
  const auto method = invoke::normalize_method(invocation.method());
  if (!method) return fail(Code::kInvalidArgument, "invalid method: " + method.error().message);
  const auto refuse = [](std::string_view why) {
    return fail(Code::kInternal, fmt::format("error invoking app channel: {}", rpc_text(Code::kInvalidArgument, why)));
  };
  if (!invocation.has_http_extension()) return refuse("missing HTTP extension field");
  const HTTPExtension::Verb verb = invocation.http_extension().verb();
  if (verb == HTTPExtension::NONE || !HTTPExtension::Verb_IsValid(verb)) return refuse("invalid HTTP verb");

  auto path = invoke::request_path(*method, authority, method_in);
  if (!path) return fail(Code::kInternal, "error invoking app channel: " + path.error().message);

  net::OwnedRequest request{
      .method = HTTPExtension::Verb_Name(verb), .authority = std::string(authority), .target = std::move(*path)};
  if (const std::string& query = invocation.http_extension().querystring(); !query.empty()) {
    const auto ends_it = [](unsigned char c) { return c <= 0x20 || c >= 0x7F; };
    if (std::ranges::any_of(query, ends_it)) return refuse("the query string has characters that must be escaped");
    request.target.append("?").append(query);
  }
  append_headers(message.metadata(), request.headers);
  const std::string type =
      invocation.data().type_url().empty() ? invocation.content_type() : std::string("application/x-protobuf");
  if (!type.empty()) request.headers.push_back({"content-type", type});
  if (const auto length = announced_length(message)) {
    request.headers.push_back({"content-length", fmt::format("{}", *length)});
  }
  return request;
}

std::string caller_of(const peer::InternalInvokeRequest& message) {
  const auto found = message.metadata().find(std::string(kCallerAppId));
  if (found == message.metadata().end() || found->second.values().empty()) return "unknown";
  return found->second.values(0);
}

std::optional<std::uint64_t> announced_length(const peer::InternalInvokeRequest& message) {
  return length_among(message.metadata());
}

void fill_response(int status, net::Headers headers, std::optional<std::size_t> body_bytes,
                   peer::InternalInvokeResponse& out) {
  out.mutable_status()->set_code(status);
  auto& message = *out.mutable_message();
  Values& values = *out.mutable_headers();
  const net::HopHeaders hop(headers);
  for (const net::Header& header : headers) {
    if (net::equals_ignoring_case(header.name, "content-type")) message.set_content_type(std::string(header.value));
    if (!hop.contains(header.name)) add(values, header.name, header.value);
  }
  if (body_bytes) set(values, "Content-Length", fmt::format("{}", *body_bytes));
}

PeerAnswer answer_of(const peer::InternalInvokeResponse& message) {
  PeerAnswer answer{.status = message.status().code()};
  append_headers(message.headers(), answer.headers);
  std::string type = message.message().content_type();
  if (!message.message().data().type_url().empty()) type = "application/x-protobuf";
  std::optional<std::uint64_t> length = length_among(message.headers());
  // Codes of gRPC are below the statuses of HTTP.
  if (answer.status < 100) {
    answer.status = http_status_of(message.status().code());
    if (answer.status != 200) {
      type = "application/json";
      length.reset();
      (void)::google::protobuf::util::MessageToJsonString(message.status(), &answer.body.emplace());
    }
  }
  if (!type.empty()) answer.headers.push_back({"content-type", std::move(type)});
  if (length) answer.headers.push_back({"content-length", fmt::format("{}", *length)});
  std::erase_if(answer.headers,
                [](const net::OwnedHeader& header) { return !net::valid_header({header.name, header.value}); });
  return answer;
}

}  // namespace tandem::api::grpc
