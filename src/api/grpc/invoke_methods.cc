#include "api/grpc/invoke_methods.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "api/grpc/call_metadata.h"
#include "api/grpc/error_map.h"
#include "api/grpc/invoke_answer.h"
#include "api/grpc/invoke_grpc_app.h"
#include "blocks/invoke/caller_headers.h"
#include "blocks/invoke/method.h"
#include "net/hop_headers.h"
#include "net/in_process.h"
#include "telemetry/trace_context.h"

namespace tandem::api::grpc {
namespace {

using ::dapr::proto::common::v1::HTTPExtension;
using ::dapr::proto::common::v1::InvokeRequest;

// The message's own, what has its place elsewhere, and a secret of this sidecar.
constexpr std::array<std::string_view, 7> kNoHeaders = {
    "host", "content-type", "content-length", "traceparent", "tracestate", "destination-app-id", "dapr-api-token"};

// Whether a metadatum of a call is a header of the request that it becomes.
bool is_header(std::string_view key, std::string_view api_token) {
  // Without a token of our own the caller's is for the app.
  if (key == "dapr-api-token" && api_token.empty()) return true;
  return !key.ends_with("-bin") && !net::is_hop_by_hop(key) && !invoke::says_who_calls(key) &&
         std::ranges::find(kNoHeaders, key) == kNoHeaders.end();
}

net::OwnedHeaders headers_of(const ApiOptions& api, const UnaryCall& call, const InvokeRequest& message,
                             const invoke::Callee& callee) {
  const CallContext& context = call.context();
  net::OwnedHeaders headers;
  call.server().for_each_metadatum([&](std::string_view key, std::string_view value) {
    if (!is_header(key, api.api_token)) return;
    // What gRPC reserves goes on under Dapr's prefix.
    headers.push_back({(key.starts_with("grpc-") ? "dapr-" : "") + std::string(key), std::string(value)});
  });
  if (!context.trace.traceparent.empty()) headers.push_back({"traceparent", context.trace.traceparent});
  if (!context.trace.tracestate.empty()) headers.push_back({"tracestate", context.trace.tracestate});
  const std::string type = message.data().type_url().empty() ? message.content_type() : "application/x-protobuf";
  if (!type.empty()) headers.push_back({"content-type", type});
  headers.push_back({std::string(invoke::kCallerAppId), api.app_id});
  headers.push_back({std::string(invoke::kCalleeAppId), std::string(callee.app_id)});
  if (!api.invoke.name_space().empty()) {
    headers.push_back({std::string(invoke::kCallerNamespace), api.invoke.name_space()});
  }
  return headers;
}

// Why an app that speaks HTTP cannot be called with this; empty: it can.
std::string_view refusal_of(const InvokeRequest& message) {
  if (!message.has_http_extension()) return "rpc error: code = InvalidArgument desc = missing HTTP extension field";
  const HTTPExtension::Verb verb = message.http_extension().verb();
  if (verb == HTTPExtension::NONE || verb == HTTPExtension::CONNECT || !HTTPExtension::Verb_IsValid(verb)) {
    return "rpc error: code = InvalidArgument desc = invalid HTTP verb";
  }
  return {};
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char c) { return c > 0x20 && c < 0x7F; });
}

}  // namespace

void invoke_service(const ApiOptions& api, std::size_t worker, const SharedCall& call,
                    const wire::InvokeServiceRequest& request, ::dapr::proto::common::v1::InvokeResponse& response) {
  const InvokeRequest& message = request.message();
  const auto refuse = [&](std::string_view cause) { call->fail(to_status(invoke_failed(request.id(), cause))); };
  const auto method = invoke::normalize_method(message.method());
  if (!method) {
    return refuse("rpc error: code = InvalidArgument desc = invalid method: " + method.error().message);
  }
  if (request.id().empty()) return refuse("app id is empty");
  const auto external = api.invoke.find_external(api.app_id, request.id());
  const auto callee = external ? Result<invoke::Callee>(*external) : api.invoke.find(request.id());
  if (!callee) {
    Error error = callee.error();
    error.code = Code::kInternal;
    call->fail(to_status(error));
    return;
  }
  const bool here = !external && !callee->elsewhere && api.routes != nullptr;
  if (const net::grpc::CallRoute* route = here ? api.routes->here(callee->app_id) : nullptr) {
    return invoke_grpc_app(api, *route, call, request.id(), message, *method, response);
  }
  // An app elsewhere need not speak HTTP: its own sidecar knows.
  if (const std::string_view why = refusal_of(message); !why.empty() && !callee->elsewhere) {
    // Another app's sidecar would have said so in its own words.
    const bool own = callee->app_id == api.app_id;
    return refuse(own ? std::string(why)
                      : fmt::format("rpc error: code = Internal desc = error invoking app channel: {}", why));
  }
  const std::string& query = message.http_extension().querystring();
  if (!is_printable(query)) return refuse("the query string has characters that must be escaped");
  auto path = invoke::request_path(*method, callee->authority, callee->method_in);
  if (!path) return refuse(path.error().message);
  const CallContext& context = call->context();

  net::OwnedRequest http{.method = HTTPExtension::Verb_Name(message.http_extension().verb()),
                         .authority = std::string(callee->authority),
                         .target = std::move(*path),
                         .headers = headers_of(api, *call, message, *callee)};
  if (!query.empty()) http.target.append("?").append(query);
  auto answer = std::make_unique<InvokeAnswer>(call, request.id(), api.max_message_bytes, response,
                                               api.sampler.enabled() ? context.trace.traceparent : std::string());
  // The worker may come to it when the request is gone already.
  Task task = [&api, worker, target = request.id(), method = *method, http = std::move(http),
               body = message.data().value(), context = call->context(), answer = std::move(answer)]() mutable {
    api.invoke.hand_over(
        api.app_id, target, method, worker,
        net::make_in_process_exchange(std::move(http), std::move(body), std::move(context), std::move(answer)));
  };
  if (api.workers[worker] == &call->worker()) return task();
  api.workers[worker]->post(std::move(task));
}

}  // namespace tandem::api::grpc
