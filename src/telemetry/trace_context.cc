#include "telemetry/trace_context.h"

#include <algorithm>

#include "base/uuid.h"

namespace tandem::telemetry {
namespace {

constexpr std::size_t kTraceParentLength = 55;  // of version 00
constexpr std::size_t kTraceIdAt = 3;
constexpr std::size_t kTraceIdLength = 32;
constexpr std::size_t kParentIdAt = 36;
constexpr std::size_t kFlagsAt = 53;

// Exactly the digits of `text`, lower case only.
std::optional<std::uint64_t> parse_hex(std::string_view text) {
  std::uint64_t value = 0;
  for (char c : text) {
    std::uint64_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<std::uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<std::uint64_t>(c - 'a' + 10);
    } else {
      return std::nullopt;
    }
    value = (value << 4) | digit;
  }
  return value;
}

// Writes exactly `digits` digits; the place after them.
char* write_hex(char* out, std::uint64_t value, int digits) {
  for (int i = digits - 1; i >= 0; --i, value >>= 4) out[i] = "0123456789abcdef"[value & 0xfU];
  return out + digits;
}

std::uint64_t random_id() {
  std::uint64_t id = random_bits();
  while (id == 0) id = random_bits();
  return id;
}

}  // namespace

std::string TraceParent::trace_id() const {
  std::string out(kTraceIdLength, '0');
  write_hex(write_hex(out.data(), trace_id_high, 16), trace_id_low, 16);
  return out;
}

std::string TraceParent::to_string() const {
  std::string out = "00-00000000000000000000000000000000-0000000000000000-00";
  write_hex(out.data() + kTraceIdAt, trace_id_high, 16);
  write_hex(out.data() + kTraceIdAt + 16, trace_id_low, 16);
  write_hex(out.data() + kParentIdAt, parent_id, 16);
  write_hex(out.data() + kFlagsAt, flags, 2);
  return out;
}

std::optional<TraceParent> parse_traceparent(std::string_view header) {
  while (!header.empty() && (header.front() == ' ' || header.front() == '\t')) header.remove_prefix(1);
  while (!header.empty() && (header.back() == ' ' || header.back() == '\t')) header.remove_suffix(1);
  if (header.size() < kTraceParentLength) return std::nullopt;
  if (header[2] != '-' || header[35] != '-' || header[52] != '-') return std::nullopt;
  auto version = parse_hex(header.substr(0, 2));
  if (!version || *version == 0xff) return std::nullopt;
  bool longer = header.size() > kTraceParentLength;
  if (longer && (*version == 0 || header[kTraceParentLength] != '-')) return std::nullopt;
  auto high = parse_hex(header.substr(kTraceIdAt, 16));
  auto low = parse_hex(header.substr(kTraceIdAt + 16, 16));
  auto parent = parse_hex(header.substr(kParentIdAt, 16));
  auto flags = parse_hex(header.substr(kFlagsAt, 2));
  if (!high || !low || !parent || !flags) return std::nullopt;
  if ((*high == 0 && *low == 0) || *parent == 0) return std::nullopt;
  // Only the sampled bit is passed on: the others are not ours to claim.
  return TraceParent{*high, *low, *parent, static_cast<std::uint8_t>(*flags & 1U)};
}

std::string_view valid_tracestate(std::string_view header) {
  constexpr std::size_t kMaxBytes = 512;
  constexpr auto kMaxMembers = 32;
  if (header.size() > kMaxBytes || std::count(header.begin(), header.end(), ',') >= kMaxMembers) return {};
  bool printable =
      std::all_of(header.begin(), header.end(), [](char c) { return (c >= ' ' && c <= '~') || c == '\t'; });
  return printable ? header : std::string_view{};
}

Sampler::Sampler(double rate) {
  constexpr std::uint64_t kAll = std::uint64_t{1} << 63;
  if (rate >= 1) {
    threshold_ = kAll;
  } else if (rate > 0) {
    threshold_ = static_cast<std::uint64_t>(rate * static_cast<double>(kAll));
  }
}

bool Sampler::sample(const TraceParent& trace) const { return (trace.trace_id_low >> 1) < threshold_; }

TraceContext begin_trace(std::string_view traceparent, std::string_view tracestate, const Sampler& sampler) {
  TraceContext out;
  TraceParent trace;
  if (auto caller = parse_traceparent(traceparent)) {
    trace = *caller;
    trace.flags &= 1U;
    out.tracestate = valid_tracestate(tracestate);
  } else {
    trace.trace_id_high = random_id();
    trace.trace_id_low = random_id();
    trace.flags = sampler.sample(trace) ? 1 : 0;
  }
  trace.parent_id = random_id();
  out.traceparent = trace.to_string();
  return out;
}

TraceContext child_trace(const TraceContext& context) {
  auto trace = parse_traceparent(context.traceparent);
  if (!trace) return {};
  trace->parent_id = random_id();
  return {trace->to_string(), context.tracestate};
}

std::string_view trace_id_of(const TraceContext& context) {
  if (context.traceparent.size() < kTraceParentLength) return {};
  return std::string_view(context.traceparent).substr(kTraceIdAt, kTraceIdLength);
}

}  // namespace tandem::telemetry
