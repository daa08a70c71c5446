// What the Dapr API adds to every answer, whoever gives it: CORS, and the trace of the request.
//
// Same worker as the exchange; never fails.
// Source: daprd's HTTP middlewares (cors, HTTPTraceMiddleware).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "net/http.h"

namespace tandem::api::http {

struct AnswerHeaders {
  std::string_view allowed_origins;  // as --allowed-origins; empty: no CORS. Outlives the exchange.
  // kTold: traceparent and tracestate, unless the answer has its own, and the caller's baggage, which is one.
  enum class Trace { kLeftOut, kTold } trace = {};
};

// The caller's baggage: its headers of that name, joined; empty: none.
std::string baggage_of(net::Headers headers);

// The exchange, whose answer will carry them.
std::unique_ptr<net::Exchange> with_answer_headers(std::unique_ptr<net::Exchange> exchange, AnswerHeaders added);

}  // namespace tandem::api::http
