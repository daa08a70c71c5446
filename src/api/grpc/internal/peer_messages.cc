#include "api/grpc/internal/peer_messages.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "blocks/invoke/method.h"
#include "net/http_head.h"

namespace tandem::api::grpc {
namespace {

using ::dapr::proto::common::v1::HTTPExtension;
using Values = ::google::protobuf::Map<std::string, peer::ListStringValue>;

constexpr std::string_view kCaller = "dapr-caller-app-id";
constexpr std::string_view kCallee = "dapr-callee-app-id";
constexpr std::string_view kCallerNamespace = "dapr-caller-namespace";
constexpr std::string_view kDestination = "destination-app-id";

constexpr std::array kOwn = {kCaller, kCallee, kCallerNamespace, kDestination};

// RFC 9110, 7.6.1: they mean one connection.
constexpr std::array<std::string_view, 10> kHopByHop = {
    "connection",     "keep-alive", "proxy-connection", "transfer-encoding",   "upgrade",
    "http2-settings", "te",         "trailer",          "proxy-authorization", "proxy-authenticate"};

bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::any_of(names, [&](std::string_view other) { return net::equals_ignoring_case(name, other); });
}

std::string lower_case(std::string_view name) {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return lower;
}

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

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A path without its percent-encoding; what is no encoding stays as it is.
std::string decoded(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '%' && i + 2 < path.size() && hex_digit(path[i + 1]) >= 0 && hex_digit(path[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(path[i + 1]) * 16 + hex_digit(path[i + 2]));
      i += 2;
    } else {
      out += path[i];
    }
  }
  return out;
}

// The headers that Connection names.
std::vector<std::string> connection_options(const Values& values) {
  std::vector<std::string> names;
  for (const auto& [name, list] : values) {
    if (!net::equals_ignoring_case(name, "connection")) continue;
    for (std::string_view left : list.values()) {
      while (!left.empty()) {
        const std::size_t comma = left.find(',');
        std::string_view one = left.substr(0, comma);
        while (one.starts_with(' ')) one.remove_prefix(1);
        while (one.ends_with(' ')) one.remove_suffix(1);
        if (!one.empty()) names.push_back(lower_case(one));
        left = comma == std::string_view::npos ? std::string_view() : left.substr(comma + 1);
      }
    }
  }
  return names;
}

// As daprd makes headers of the metadata of a message: without what means one hop, the body's framing, its type, which
// the message has in a place of its own, and binary metadata, which only gRPC can carry.
void append_headers(const Values& values, net::OwnedHeaders& out) {
  const std::vector<std::string> options = connection_options(values);
  for (const auto& [name, list] : values) {
    std::string key = lower_case(name);
    if (key == kDestination || key == "content-type" || key == "content-length" || key == "host" ||
        key.ends_with("-bin") || is_one_of(key, kHopByHop) || std::ranges::find(options, key) != options.end()) {
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
    const std::string& text = list.values(0);
    std::uint64_t length = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (error == std::errc() && end == text.data() + text.size() && !text.empty()) return length;
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
  std::string canonical = lower_case(name);
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
  for (const net::Header& header : head.headers) {
    if (is_one_of(header.name, kOwn) || is_one_of(header.name, kHopByHop)) continue;
    add(values, header.name, header.value);
  }
  if (body_bytes && *body_bytes > 0 && !net::find_header(head.headers, "content-length")) {
    set(values, "Content-Length", fmt::format("{}", *body_bytes));
  }
  add_forwarded(call, values);
  set(values, kDestination, call.callee_app_id);
  set(values, kCallerNamespace, call.caller_namespace);
  set(values, kCaller, call.caller_app_id);
  set(values, kCallee, call.callee_app_id);

  auto& message = *out.mutable_message();
  const std::size_t mark = head.target.find('?');
  std::string_view path = head.target.substr(0, mark);
  if (path.starts_with('/')) path.remove_prefix(1);
  message.set_method(decoded(path));
  message.set_content_type(std::string(net::find_header(head.headers, "content-type").value_or("")));
  // A request that did not come by HTTP may have no verb; whether the app needs one, its own sidecar knows.
  if (head.method == HTTPExtension::Verb_Name(HTTPExtension::NONE)) return;
  auto& http = *message.mutable_http_extension();
  http.set_verb(verb_of(head.method));
  if (mark != std::string_view::npos) http.set_querystring(std::string(head.target.substr(mark + 1)));
}

Result<net::OwnedRequest> request_of(const peer::InternalInvokeRequest& message, std::string_view authority) {
  const auto& invocation = message.message();
  const auto method = invoke::normalize_method(invocation.method());
  if (!method) return fail(Code::kInvalidArgument, "invalid method: " + method.error().message);
  const auto refuse = [](std::string_view why) {
    return fail(Code::kInternal, fmt::format("error invoking app channel: {}",
                                             rpc_error(static_cast<int>(Code::kInvalidArgument), why)));
  };
  if (!invocation.has_http_extension()) return refuse("missing HTTP extension field");
  const HTTPExtension::Verb verb = invocation.http_extension().verb();
  if (verb == HTTPExtension::NONE || !HTTPExtension::Verb_IsValid(verb)) return refuse("invalid HTTP verb");

  const auto path = invoke::path_of_method(*method);
  if (!path) {
    return fail(Code::kInternal, fmt::format("error invoking app channel: parse \"http://{}/{}\": {}", authority,
                                             *method, path.error().message));
  }

  net::OwnedRequest request{
      .method = HTTPExtension::Verb_Name(verb), .authority = std::string(authority), .target = "/" + *path};
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
  const auto found = message.metadata().find(std::string(kCaller));
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
  for (const net::Header& header : headers) {
    if (net::equals_ignoring_case(header.name, "content-type")) message.set_content_type(std::string(header.value));
    if (!is_one_of(header.name, kHopByHop)) add(values, header.name, header.value);
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

int http_status_of(int code) {
  switch (static_cast<Code>(code)) {
    case Code::kOk: return 200;
    case Code::kCancelled: return 408;
    case Code::kInvalidArgument:
    case Code::kFailedPrecondition:
    case Code::kOutOfRange: return 400;
    case Code::kDeadlineExceeded: return 504;
    case Code::kNotFound: return 404;
    case Code::kAlreadyExists:
    case Code::kAborted: return 409;
    case Code::kPermissionDenied: return 403;
    case Code::kUnauthenticated: return 401;
    case Code::kResourceExhausted: return 429;
    case Code::kUnimplemented: return 501;
    case Code::kUnavailable: return 503;
    default: return 500;
  }
}

std::string rpc_error(int code, std::string_view message) {
  constexpr std::array<std::string_view, 17> kNames = {
      "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
      "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
      "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
      "DataLoss", "Unauthenticated"};
  const bool known = code >= 0 && static_cast<std::size_t>(code) < kNames.size();
  return fmt::format("rpc error: code = {} desc = {}",
                     known ? std::string(kNames[static_cast<std::size_t>(code)]) : fmt::format("Code({})", code),
                     message);
}

}  // namespace tandem::api::grpc
