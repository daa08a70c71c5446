#include "api/http/dapr_api.h"

#include <array>
#include <string_view>
#include <utility>

#include "api/http/answer_headers.h"
#include "api/http/binding_routes.h"
#include "api/http/configuration_routes.h"
#include "api/http/cors.h"
#include "api/http/endpoint_routes.h"
#include "api/http/invoke_routes.h"
#include "api/http/pubsub_routes.h"
#include "api/http/router.h"
#include "api/http/secret_routes.h"
#include "api/http/state_routes.h"
#include "api/http/system_routes.h"
#include "api/http/target.h"
#include "api/http/unconfigured_routes.h"
#include "base/secret.h"
#include "telemetry/baggage.h"

namespace tandem::api::http {
namespace {

// Continues the trace that the caller names; else that of the request which a guest's own call is made for; else starts
// one.
void begin_trace(const net::RequestHead& head, const telemetry::Sampler& sampler, TraceContext& trace) {
  const std::string_view parent = net::find_header(head.headers, "traceparent").value_or("");
  if (!trace.traceparent.empty() && !telemetry::parse_traceparent(parent)) return;
  trace = telemetry::begin_trace(parent, net::find_header(head.headers, "tracestate").value_or(""), sampler);
}

bool decodes(const Target& target) {
  return target.raw_path().find('%') == std::string_view::npos || unescape_path(target.raw_path());
}

// What Go's HTTP server says of a path that does not decode, before any of Dapr's code sees it.
void refuse_target(net::Exchange& exchange) {
  const std::array headers = {net::Header{"Content-Type", "text/plain; charset=utf-8"}};
  exchange.respond(400, headers, "400 Bad Request");
}

// daprd traces no path with this in it, whatever it is for.
bool is_untraced(const Target& target) { return target.raw_path().find("/healthz") != std::string_view::npos; }

// The path decodes, so what a route captured does.
void dispatch(const ApiOptions& api, const Match& match, std::string_view query, SharedExchange exchange) {
  std::string name = unescape_query(match.name).value_or("");
  std::string item = unescape_query(match.item).value_or("");
  switch (match.route) {
    case Route::kGetState: return get_state(api, std::move(exchange), std::move(name), std::move(item), query);
    case Route::kSaveState: return save_state(api, std::move(exchange), std::move(name), query);
    case Route::kDeleteState: return delete_state(api, std::move(exchange), std::move(name), std::move(item), query);
    case Route::kBulkGetState: return bulk_get_state(api, std::move(exchange), std::move(name), query);
    case Route::kStateTransaction: return state_transaction(api, std::move(exchange), std::move(name), query);
    case Route::kQueryState: return query_state(api, std::move(exchange), std::move(name));
    case Route::kPublish: return publish(api, std::move(exchange), std::move(name), std::move(item), query);
    case Route::kBulkPublish: return publish_bulk(api, std::move(exchange), std::move(name), std::move(item), query);
    case Route::kGetSecret: return get_secret(api, std::move(exchange), std::move(name), std::move(item), query);
    case Route::kBulkGetSecret: return bulk_get_secrets(api, std::move(exchange), std::move(name), query);
    case Route::kGetConfiguration: return get_configuration(api, std::move(exchange), std::move(name), query);
    case Route::kSubscribeConfiguration:
      return subscribe_configuration(api, std::move(exchange), std::move(name), query);
    case Route::kUnsubscribeConfiguration:
      return unsubscribe_configuration(api, std::move(exchange), std::move(name), std::move(item));
    case Route::kBinding: return invoke_binding(api, std::move(exchange), std::move(name));
    case Route::kHealthz: return answer_healthz(api, *exchange, query);
    case Route::kOutboundHealthz: return answer_outbound_healthz(api, std::move(exchange));
    case Route::kGetMetadata: return answer_metadata(api, *exchange);
    case Route::kPutMetadata: return put_label(api, std::move(exchange), std::move(item));
    case Route::kShutdown: return shut_down(api, *exchange);
    default: answer_unconfigured(api, std::move(exchange), match.route, std::move(name));
  }
}

}  // namespace

DaprApi::DaprApi(ApiOptions options) : options_(std::move(options)) {}

void DaprApi::handle(std::unique_ptr<net::Exchange> exchange) {
  const Target target(exchange->head().target);
  if (!decodes(target)) return refuse_target(*exchange);
  const Match match = match_route(exchange->head().method, target);
  const bool preflight = !options_.allowed_origins.empty() && is_preflight(exchange->head());
  const bool traced = options_.sampler.enabled() && !is_untraced(target);
  const std::string_view origins = preflight ? std::string_view() : std::string_view(options_.allowed_origins);
  if (traced) {
    const auto baggage = telemetry::read_baggage(baggage_of(exchange->head().headers));
    if (!baggage) return reply_text(*exchange, 400, "invalid baggage header: " + baggage.error().message);
  }
  if (traced || !origins.empty()) {
    using Trace = AnswerHeaders::Trace;
    exchange = with_answer_headers(std::move(exchange),
                                   {.allowed_origins = origins, .trace = traced ? Trace::kTold : Trace::kLeftOut});
  }
  const net::RequestHead& head = exchange->head();
  CallContext& context = exchange->context();
  context.app_id = options_.app_id;
  begin_trace(head, options_.sampler, context.trace);
  if (preflight) return answer_preflight(*exchange, options_.allowed_origins);

  if (!options_.api_token.empty() && !is_open_route(match.route) &&
      !is_secret(net::find_header(head.headers, "dapr-api-token").value_or(""), options_.api_token)) {
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
  dispatch(options_, match, target.query(), SharedExchange(std::move(exchange)));
}

}  // namespace tandem::api::http
