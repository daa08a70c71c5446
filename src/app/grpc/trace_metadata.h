// A trace as metadata of a gRPC call: traceparent and tracestate, and OpenCensus's grpc-trace-bin, as daprd sends both.
//
// Plain functions, any thread, never throw.
#pragma once

#include <string>

#include "base/call_context.h"
#include "net/grpc/call_route.h"

namespace tandem::app::grpc {

// 29 bytes; empty for what is no traceparent.
std::string binary_of_traceparent(std::string_view traceparent);

// Adds nothing for a trace that is none.
void add_trace(const TraceContext& trace, net::grpc::MetadataPairs& pairs);

}  // namespace tandem::app::grpc
