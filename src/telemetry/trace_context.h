// W3C Trace Context (https://www.w3.org/TR/trace-context/): reading what a caller sent, and the header for the next
// hop.
//
// Doors call begin_trace() when a request comes in and child_trace() for each call that leaves. Pure functions over a
// random generator of the calling thread: any thread, no locks, never fail; a header that is not valid counts as none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/call_context.h"

namespace tandem::telemetry {

struct TraceParent {
  std::uint64_t trace_id_high = 0;
  std::uint64_t trace_id_low = 0;
  std::uint64_t parent_id = 0;
  std::uint8_t flags = 0;

  bool sampled() const { return (flags & 1U) != 0; }
  // 32 lower-case hex digits.
  std::string trace_id() const;
  // "00-<trace id>-<parent id>-<flags>"
  std::string to_string() const;
  bool operator==(const TraceParent&) const = default;
};

// Nullopt for anything but a valid header: wrong length, upper case, all-zero ids, version ff. Of a version after 00
// the four known fields are read.
std::optional<TraceParent> parse_traceparent(std::string_view header);

// Empty unless it is a tracestate to pass on: printable ASCII, at most 512 characters and 32 members.
std::string_view valid_tracestate(std::string_view header);

// Decides for new traces as Dapr's sampler does: a share of `rate` by trace id, so that every process with the same
// rate decides alike. What the caller of a trace has decided is followed, either way.
class Sampler final {
 public:
  // 0 (never) to 1 (always).
  explicit Sampler(double rate);
  bool sample(const TraceParent& trace) const;
  // False at rate 0, which in Dapr switches tracing off.
  bool enabled() const { return threshold_ > 0; }

 private:
  std::uint64_t threshold_ = 0;  // of the 63 low bits of the trace id's low half
};

// The context of a request that came in with these headers (empty when absent): continues the caller's trace or starts
// one, with a span id of our own. An invalid traceparent also drops its tracestate.
TraceContext begin_trace(std::string_view traceparent, std::string_view tracestate, const Sampler& sampler);

// The context for a call that leaves: the same trace, a new span id. An untraced call starts none.
TraceContext child_trace(const TraceContext& context);

// The 32 hex digits inside a traceparent, for log lines; empty when the context is not traced.
std::string_view trace_id_of(const TraceContext& context);

}  // namespace tandem::telemetry
