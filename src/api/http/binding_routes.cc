#include "api/http/binding_routes.h"

#include <algorithm>
#include <deque>
#include <string_view>
#include <utility>
#include <vector>

#include "api/http/answer_headers.h"
#include "api/http/body.h"
#include "api/http/error_map.h"
#include "base/json.h"
#include "base/json_normal.h"
#include "net/http_head.h"
#include "telemetry/baggage.h"

namespace tandem::api::http {
namespace {

bool is_member(std::string_view name, std::string_view field) { return net::equals_ignoring_case(name, field); }

// {"operation","data","metadata"}; what is missing is empty, data are null then.
Result<bindings::InvokeCall> read_call(std::string_view body) {
  const Result<std::string_view> json = parse_json_prefix(body);
  if (!json) return fail(json.error());
  bindings::InvokeCall call{.data = "null"};
  if (json_kind(*json) == JsonKind::kNull) return call;
  if (json_kind(*json) != JsonKind::kObject) return fail(Code::kInvalidArgument, "the body must be an object");
  JsonMembers members(*json);
  std::string name;
  std::string_view value;
  while (members.next(name, value)) {
    if (is_member(name, "operation")) {
      auto operation = json_string_field(value, "operation");
      if (!operation) return fail(std::move(operation.error()));
      call.operation = std::move(*operation);
    } else if (is_member(name, "data")) {
      Result<std::string> data = normal_json(value);
      if (!data) return fail(std::move(data.error()));
      call.data = std::move(*data);
    } else if (is_member(name, "metadata")) {
      auto metadata = json_string_map_field(value, "metadata");
      if (!metadata) return fail(std::move(metadata.error()));
      call.metadata = std::move(*metadata);
    }
  }
  return call;
}

// The request's trace and baggage, for bindings that pass them on. Fails when the baggage is none.
Status add_context(const ApiOptions& api, net::Exchange& exchange, Metadata& metadata) {
  const net::Headers headers = exchange.head().headers;
  const TraceContext& trace = exchange.context().trace;
  if (!trace.traceparent.empty() && (api.sampler.enabled() || net::find_header(headers, "traceparent"))) {
    metadata.insert_or_assign("traceparent", trace.traceparent);
    if (!trace.tracestate.empty()) metadata.insert_or_assign("tracestate", trace.tracestate);
  }
  std::string baggage = baggage_of(headers);
  if (const auto read = telemetry::read_baggage(baggage); !read) {
    return fail(Code::kInvalidArgument, "ERR_MALFORMED_REQUEST", "invalid baggage header: " + read.error().message);
  }
  if (!baggage.empty()) metadata.insert_or_assign("baggage", std::move(baggage));
  return {};
}

// Headers of an answer, with the text behind them.
class MetadataHeaders final {
 public:
  explicit MetadataHeaders(const Metadata& metadata) {
    headers_.push_back({"Content-Type", "application/json"});
    for (const auto& [name, value] : metadata) {
      const std::string& header = texts_.emplace_back("metadata." + name);
      std::string& text = texts_.emplace_back(value);
      // A header is one line.
      std::ranges::replace_if(text, [](char c) { return c == '\r' || c == '\n'; }, ' ');
      if (net::valid_header({header, text})) headers_.push_back({header, text});
    }
  }
  net::Headers all() const { return headers_; }
  net::Headers without_type() const { return net::Headers(headers_).subspan(1); }

 private:
  std::deque<std::string> texts_;
  std::vector<net::Header> headers_;
};

void answer(net::Exchange& exchange, const Result<bindings::InvokeAnswer>& result) {
  if (!result) return reply_error(exchange, result.error());
  const MetadataHeaders headers(result->metadata);
  if (result->failure) {
    const WireError wire = to_wire(*result->failure);
    exchange.respond(wire.status, headers.all(), wire.body);
  } else if (result->data == nullptr) {
    exchange.respond(204, headers.without_type(), {});
  } else {
    exchange.respond(200, headers.all(), *result->data);
  }
}

}  // namespace

void invoke_binding(const ApiOptions& api, SharedExchange exchange, std::string name) {
  collect_body(std::move(exchange), api.max_body_bytes,
               [&api, name = std::move(name)](SharedExchange owner, Result<std::string_view> body) mutable {
                 auto call = body ? read_call(*body) : fail(body.error());
                 if (!call) return reply_error(*owner, malformed_body(call.error().message));
                 call->binding = std::move(name);
                 if (const Status added = add_context(api, *owner, call->metadata); !added) {
                   return reply_error(*owner, added.error());
                 }
                 const SharedExchange held = owner;
                 api.bindings.invoke({held->context(), api.worker}, std::move(*call),
                                     [owner = std::move(owner)](const Result<bindings::InvokeAnswer>& result) {
                                       answer(*owner, result);
                                     });
               });
}

}  // namespace tandem::api::http
