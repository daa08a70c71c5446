#include "api/grpc/call_metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "api/grpc/error_map.h"
#include "api/grpc/method_access.h"
#include "base/secret.h"
#include "net/grpc/call_text.h"

namespace tandem::api::grpc {
namespace {

void append_hex(std::string& out, std::string_view bytes) {
  for (const char byte : bytes) fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<unsigned char>(byte));
}

TraceContext trace_of(net::Headers headers) {
  TraceContext trace;
  if (const auto binary = net::find_header(headers, "grpc-trace-bin")) {
    trace.traceparent = traceparent_of_binary(net::grpc::decode_binary(*binary).value_or(""));
  } else if (const auto parent = net::find_header(headers, "traceparent")) {
    trace.traceparent = *parent;
    trace.tracestate = net::find_header(headers, "tracestate").value_or("");
  }
  return trace;
}

}  // namespace

std::string traceparent_of_binary(std::string_view bytes) {
  // Version 0, then fields, each after its number: trace id (0), span id (1), options (2).
  constexpr std::size_t kSize = 29;
  if (bytes.size() < kSize || bytes[0] != 0 || bytes[1] != 0 || bytes[18] != 1 || bytes[27] != 2) return {};
  const std::string_view trace_id = bytes.substr(2, 16);
  const std::string_view span_id = bytes.substr(19, 8);
  const auto is_zero = [](std::string_view id) { return std::ranges::all_of(id, [](char c) { return c == 0; }); };
  if (is_zero(trace_id) || is_zero(span_id)) return {};
  std::string out = "00-";
  append_hex(out, trace_id);
  out += '-';
  append_hex(out, span_id);
  out += '-';
  append_hex(out, bytes.substr(28, 1));
  return out;
}

CallContext context_of(net::Headers headers, SteadyTime deadline, const std::string& app_id) {
  return {.app_id = app_id, .deadline = deadline, .trace = trace_of(headers)};
}

std::string baggage_of(net::Headers headers) {
  std::string baggage;
  for (const net::Header& header : headers) {
    if (header.name != "baggage") continue;
    baggage.append(baggage.empty() ? "" : ",").append(header.value);
  }
  return baggage;
}

std::optional<::grpc::Status> check_access(net::Headers headers, std::string_view method,
                                           const config::ApiAccess& access, std::string_view token) {
  if (!is_allowed(access, method)) return status_of_http(501, "requested endpoint is not available");
  if (token.empty()) return std::nullopt;
  const auto given = net::find_header(headers, "dapr-api-token");
  if (!given) return status_of_http(401, "missing api token in request metadata");
  if (!is_secret(*given, token)) return status_of_http(401, "authentication error: api token mismatch");
  return std::nullopt;
}

}  // namespace tandem::api::grpc
