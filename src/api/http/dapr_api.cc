#include "api/http/dapr_api.h"

#include <fmt/format.h>

#include <utility>

#include "api/http/answer_headers.h"
#include "api/http/cors.h"
#include "api/http/endpoint_routes.h"
#include "api/http/invoke_routes.h"
#include "api/http/pubsub_routes.h"
#include "api/http/router.h"
#include "api/http/state_routes.h"
#include "api/http/system_routes.h"
#include "api/http/target.h"
#include "api/http/unconfigured_routes.h"

namespace tandem::api::http {
namespace {

// Takes the same time for every token of the right length.
bool is_token(std::string_view given, std::string_view expected) {
  if (given.size() != expected.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < given.size(); ++i) {
    difference |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(expected[i]);
  }
  return difference == 0;
}

// Continues the trace that the caller names; else that of the request which a guest's own call is made for; else starts
// one.
void begin_trace(const net::RequestHead& head, const telemetry::Sampler& sampler, TraceContext& trace) {
  const std::string_view parent = net::find_header(head.headers, "traceparent").value_or("");
  if (!trace.traceparent.empty() && !telemetry::parse_traceparent(parent)) return;
  trace = telemetry::begin_trace(parent, net::find_header(head.headers, "tracestate").value_or(""), sampler);
}

// Dapr decodes what a route captured and refuses what does not decode, in plain text.
struct Captured {
  std::string name;
  std::string item;
};
Result<Captured> decode(const Match& match) {
  const auto wrong = [](std::string_view parameter, const Error& error) {
    return fail(Code::kInvalidArgument,
                fmt::format("failed to unescape request parameter \"{}\". Error: {}", parameter, error.message));
  };
  auto name = unescape_query(match.name);
  if (!name) return wrong(name_parameter(match.route), name.error());
  auto item = unescape_query(match.item);
  if (!item) return wrong(item_parameter(match.route), item.error());
  return Captured{std::move(*name), std::move(*item)};
}

void dispatch(const ApiOptions& api, Route route, Captured captured, std::string_view query, SharedExchange exchange) {
  auto& [name, item] = captured;
  switch (route) {
    case Route::kGetState: return get_state(api, std::move(exchange), std::move(name), std::move(item), query);
    case Route::kSaveState: return save_state(api, std::move(exchange), std::move(name), query);
    case Route::kDeleteState: return delete_state(api, std::move(exchange), std::move(name), std::move(item), query);
    case Route::kBulkGetState: return bulk_get_state(api, std::move(exchange), std::move(name), query);
    case Route::kStateTransaction: return state_transaction(api, std::move(exchange), std::move(name), query);
    case Route::kQueryState: return query_state(api, std::move(exchange), std::move(name));
    case Route::kPublish: return publish(api, std::move(exchange), std::move(name), std::move(item), query);
    case Route::kBulkPublish: return publish_bulk(api, std::move(exchange), std::move(name), std::move(item), query);
    case Route::kHealthz: return answer_healthz(api, *exchange, query);
    case Route::kOutboundHealthz: return answer_outbound_healthz(api, std::move(exchange));
    case Route::kGetMetadata: return answer_metadata(api, *exchange);
    case Route::kPutMetadata: return put_label(api, std::move(exchange), std::move(item));
    case Route::kShutdown: return shut_down(api, *exchange);
    default: answer_unconfigured(api, std::move(exchange), route, std::move(name));
  }
}

}  // namespace

DaprApi::DaprApi(ApiOptions options) : options_(std::move(options)) {}

void DaprApi::handle(std::unique_ptr<net::Exchange> exchange) {
  if (!options_.allowed_origins.empty()) {
    if (is_preflight(exchange->head())) {
      answer_preflight(*exchange, options_.allowed_origins);
      return;
    }
  }
  const Target target(exchange->head().target);
  const Match match = match_route(exchange->head().method, target);
  const bool traced = options_.sampler.enabled() && !is_open_route(match.route);
  if (traced || !options_.allowed_origins.empty()) {
    using Trace = AnswerHeaders::Trace;
    exchange = with_answer_headers(std::move(exchange), {.allowed_origins = options_.allowed_origins,
                                                         .trace = traced ? Trace::kTold : Trace::kLeftOut});
  }
  const net::RequestHead& head = exchange->head();
  CallContext& context = exchange->context();
  context.app_id = options_.app_id;
  begin_trace(head, options_.sampler, context.trace);

  if (!options_.api_token.empty() && !is_open_route(match.route) &&
      !is_token(net::find_header(head.headers, "dapr-api-token").value_or(""), options_.api_token)) {
    reply_text(*exchange, 401, "invalid api token");
    return;
  }
  // As in Dapr, an API that is not allowed is not there: its paths are taken for invocations, as unknown ones are.
  const bool invokes = match.route == Route::kInvoke || !is_allowed(options_.access, match.route, target);
  const bool refused = invokes && !is_allowed(options_.access, Route::kInvoke, target);
  if (options_.log != nullptr) {
    const auto by = refused ? ApiLog::By::kNobody : invokes ? ApiLog::By::kInvocation : ApiLog::By::kEndpoint;
    exchange = options_.log->watch(std::move(exchange), target, by);
  }
  if (refused) {
    reply_text(*exchange, 404, "404 page not found");
    return;
  }
  if (invokes) {
    invoke_app(options_, std::move(exchange), target);
    return;
  }
  auto captured = decode(match);
  if (!captured) {
    reply_text(*exchange, 400, captured.error().message);
    return;
  }
  const std::string_view query = target.query();
  dispatch(options_, match.route, std::move(*captured), query, SharedExchange(std::move(exchange)));
}

}  // namespace tandem::api::http
