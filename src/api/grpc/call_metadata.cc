#include "api/grpc/call_metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "api/grpc/error_map.h"
#include "api/grpc/method_access.h"
#include "base/secret.h"

namespace tandem::api::grpc {
namespace {

std::string_view view_of(::grpc::string_ref text) { return {text.data(), text.size()}; }

SteadyTime steady_deadline(std::chrono::system_clock::time_point deadline) {
  const auto now = std::chrono::system_clock::now();
  // A call without a deadline has one at the end of time, which the other clock cannot count.
  if (deadline > now + std::chrono::years(10)) return SteadyTime::max();
  return std::chrono::steady_clock::now() + std::chrono::duration_cast<SteadyTime::duration>(deadline - now);
}

void append_hex(std::string& out, std::string_view bytes) {
  for (const char byte : bytes) fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<unsigned char>(byte));
}

TraceContext trace_of(const ::grpc::ServerContextBase& server) {
  TraceContext trace;
  if (const auto binary = find_metadata(server, "grpc-trace-bin")) {
    trace.traceparent = traceparent_of_binary(*binary);
  } else if (const auto parent = find_metadata(server, "traceparent")) {
    trace.traceparent = *parent;
    trace.tracestate = find_metadata(server, "tracestate").value_or("");
  }
  return trace;
}

}  // namespace

std::optional<std::string_view> find_metadata(const ::grpc::ServerContextBase& server, std::string_view key) {
  const auto& metadata = server.client_metadata();
  const auto found = metadata.find(::grpc::string_ref(key.data(), key.size()));
  if (found == metadata.end()) return std::nullopt;
  return view_of(found->second);
}

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

CallContext context_of(const ::grpc::ServerContextBase& server, std::string app_id) {
  return {.app_id = std::move(app_id), .deadline = steady_deadline(server.deadline()), .trace = trace_of(server)};
}

std::optional<::grpc::Status> check_access(const ::grpc::ServerContextBase& server, std::string_view method,
                                           const config::ApiAccess& access, std::string_view token) {
  if (!is_allowed(access, method)) return status_of_http(501, "requested endpoint is not available");
  if (token.empty()) return std::nullopt;
  const auto given = find_metadata(server, "dapr-api-token");
  if (!given) return status_of_http(401, "missing api token in request metadata");
  if (!is_secret(*given, token)) return status_of_http(401, "authentication error: api token mismatch");
  return std::nullopt;
}

}  // namespace tandem::api::grpc
