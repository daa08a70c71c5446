#include "api/http/invoke_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "api/http/body.h"
#include "api/http/error_map.h"
#include "api/http/forwarded_exchange.h"
#include "api/http/reply.h"
#include "base/base64.h"
#include "blocks/invoke/caller_headers.h"

namespace tandem::api::http {
namespace {

std::string whole_path_as_method(std::string_view decoded_path) {
  std::string method = clean_path(decoded_path);
  if (method.starts_with('/')) method.erase(0, 1);
  return method == "." ? std::string() : method;
}

// "Basic <base64 of dapr-app-id:id>", with an id that may be empty; nothing for any other authorization.
std::optional<std::string> app_id_of_authorization(std::string_view value) {
  constexpr std::string_view kBasic = "Basic ";
  if (!value.starts_with(kBasic)) return std::nullopt;
  const auto pair = base64_decode(value.substr(kBasic.size()));
  if (!pair) return std::nullopt;
  const std::size_t colon = pair->find(':');
  if (colon == std::string::npos || pair->find(':', colon + 1) != std::string::npos) return std::nullopt;
  if (!net::equals_ignoring_case(std::string_view(*pair).substr(0, colon), invoke::kAppId)) return std::nullopt;
  return pair->substr(colon + 1);
}

// The method that the app sees: daprd takes one in any case, and any that it does not know for a POST.
std::string_view verb_of(std::string_view method) {
  constexpr std::array<std::string_view, 9> kVerbs = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                                      "CONNECT", "OPTIONS", "TRACE", "PATCH"};
  const auto found =
      std::ranges::find_if(kVerbs, [&](std::string_view verb) { return net::equals_ignoring_case(verb, method); });
  return found == kVerbs.end() ? "POST" : *found;
}

// What follows /v1.0/invoke/ in a decoded path, in which slashes may be doubled; empty for another path.
std::string_view after_invoke(std::string_view path) {
  for (const std::string_view part : {std::string_view("v1.0"), std::string_view("invoke")}) {
    if (!path.starts_with('/')) return {};
    path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
    if (path.substr(0, path.find('/')) != part) return {};
    path.remove_prefix(part.size());
  }
  path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
  return path;
}

}  // namespace

InvokeTarget find_invoke_target(std::string_view path, net::Headers headers) {
  const auto decoded = unescape_path(path);
  if (!decoded) return {};
  if (const auto id = net::find_header(headers, invoke::kAppId); id && !id->empty()) {
    return {std::string(*id), whole_path_as_method(*decoded)};
  }
  if (const auto authorization = net::find_header(headers, "authorization")) {
    if (auto id = app_id_of_authorization(*authorization)) {
      return {std::move(*id), whole_path_as_method(*decoded)};
    }
  }
  constexpr std::string_view kMethod = "/method/";
  const std::string_view rest = after_invoke(*decoded);
  const std::size_t method = rest.find(kMethod);
  if (method == std::string_view::npos || method == 0) return {};
  return {std::string(rest.substr(0, method)), std::string(rest.substr(method + kMethod.size()))};
}

void invoke_app(const ApiOptions& api, std::unique_ptr<net::Exchange> exchange, const Target& target) {
  const net::Headers headers = exchange->head().headers;
  const InvokeTarget callee = find_invoke_target(target.raw_path(), headers);
  if (callee.app_id.empty()) {
    reply_error(*exchange, no_app_id());
    return;
  }
  const ErrorSite site{.app_id = api.app_id, .component = callee.app_id};
  const auto method = normalize_method(callee.method);
  if (!method) {
    const std::string cause = "rpc error: code = InvalidArgument desc = invalid method: " + method.error().message;
    reply_error(*exchange, invoke_failed(Code::kInvalidArgument, callee.app_id, cause), site);
    return;
  }
  const auto external = api.invoke.find_external(api.app_id, callee.app_id);
  const auto found = external ? Result<invoke::Callee>(*external) : api.invoke.find(callee.app_id);
  if (!found) {
    reply_error(*exchange, found.error(), site);
    return;
  }
  if (announces_more_than(headers, api.max_body_bytes)) {
    reply_error(*exchange, invoke_failed(Code::kResourceExhausted, callee.app_id, "stream too large"), site);
    return;
  }
  auto path = invoke::request_path(*method, found->authority, found->method_in);
  if (!path) {
    reply_error(*exchange, invoke_failed(Code::kInternal, callee.app_id, path.error().message), site);
    return;
  }
  // Where tracing is off, no trace begins here.
  if (!api.sampler.enabled() && !net::find_header(headers, "traceparent")) exchange->context().trace = {};
  ForwardedCall call{
      .method = verb_of(exchange->head().method),
      .target = std::move(*path),
      .authority = std::string(found->authority),
      .named = callee.app_id,
      .caller_app_id = api.app_id,
      .callee_app_id = std::string(found->app_id),
      .caller_namespace = api.invoke.name_space(),
      .max_body_bytes = api.max_body_bytes,
      .api_token = api.api_token.empty() ? ForwardedCall::ApiToken::kPass : ForwardedCall::ApiToken::kDrop};
  if (!target.query().empty()) call.target.append("?").append(target.query());
  api.invoke.hand_over({.caller = api.app_id,
                        .target = callee.app_id,
                        .method = *method,
                        .callee = *found,
                        .worker = api.worker_index,
                        .is_external = external.has_value()},
                       std::make_unique<ForwardedExchange>(std::move(exchange), std::move(call)));
}

}  // namespace tandem::api::http
