#include "app/grpc/trace_metadata.h"

#include <cstdint>
#include <optional>

#include "telemetry/trace_context.h"

namespace tandem::app::grpc {
namespace {

void append_bytes(std::string& out, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift & 0xFF);
}

}  // namespace

std::string binary_of_traceparent(std::string_view traceparent) {
  const auto parsed = telemetry::parse_traceparent(traceparent);
  if (!parsed) return {};
  // Version 0, then fields, each after its number: trace id (0), span id (1), options (2).
  std::string out(2, '\0');
  append_bytes(out, parsed->trace_id_high);
  append_bytes(out, parsed->trace_id_low);
  out += '\1';
  append_bytes(out, parsed->parent_id);
  out += '\2';
  out += static_cast<char>(parsed->flags);
  return out;
}

void add_trace(const TraceContext& trace, net::grpc::MetadataPairs& pairs) {
  std::string binary = binary_of_traceparent(trace.traceparent);
  if (binary.empty()) return;
  pairs.emplace_back("traceparent", trace.traceparent);
  if (const auto state = telemetry::valid_tracestate(trace.tracestate); !state.empty()) {
    pairs.emplace_back("tracestate", std::string(state));
  }
  pairs.emplace_back("grpc-trace-bin", std::move(binary));
}

}  // namespace tandem::app::grpc
