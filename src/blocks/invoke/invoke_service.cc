#include "blocks/invoke/invoke_service.h"

#include <algorithm>
#include <utility>

namespace tandem::invoke {
namespace {

constexpr std::string_view kReason = "ERR_DIRECT_INVOKE";

Error failed(Code code, std::string_view target, std::string_view why) {
  return {code, std::string(kReason), "failed to invoke, id: " + std::string(target) + ", err: " + std::string(why)};
}

bool is_url(std::string_view target) { return target.starts_with("http://") || target.starts_with("https://"); }

}  // namespace

Status InvokeService::add(std::string app_id, Endpoint& endpoint, std::string authority, MethodIn method_in) {
  if (app_id.empty()) return fail(Code::kInvalidArgument, "an app needs an app id");
  if (authority.empty()) authority = app_id;
  const auto [at, added] = apps_.emplace(std::move(app_id), App{&endpoint, std::move(authority), method_in});
  if (!added) return fail(Code::kAlreadyExists, "two apps have the app id \"" + at->first + "\"");
  return {};
}

Status InvokeService::add_external(std::string caller, std::string name, std::string base_url, Endpoint& endpoint) {
  const auto [at, added] = external_[std::move(caller)].emplace(std::move(name), App{&endpoint, std::move(base_url)});
  if (!added) return fail(Code::kAlreadyExists, "there are two HTTP endpoints \"" + at->first + "\"");
  return {};
}

std::optional<Callee> InvokeService::find_external(std::string_view caller, std::string_view target) const {
  if (is_url(target)) {
    if (urls_ == nullptr) return std::nullopt;
    return Callee{target, target, urls_};
  }
  const auto own = external_.find(caller);
  if (own == external_.end()) return std::nullopt;
  const std::size_t dot = target.find('.');
  if (dot != std::string_view::npos && target.find('.', dot + 1) != std::string_view::npos) return std::nullopt;
  const auto found = own->second.find(target.substr(0, dot));
  if (found == own->second.end()) return std::nullopt;
  return Callee{found->first, found->second.authority, found->second.endpoint};
}

Result<Callee> InvokeService::find(std::string_view target) const {
  if (target.empty()) {
    return fail(Code::kNotFound, std::string(kReason),
                "failed getting app id either from the URL path or the header dapr-app-id");
  }
  const auto dots = is_url(target) ? 0 : std::ranges::count(target, '.');
  if (dots > 1) {
    return fail(failed(Code::kInvalidArgument, target, "invalid app id " + std::string(target)));
  }
  const std::size_t dot = dots == 0 ? target.size() : target.find('.');
  if (dots == 0 || target.substr(dot + 1) == name_space_) {
    const auto found = apps_.find(target.substr(0, dot));
    if (found != apps_.end()) {
      const App& app = found->second;
      return Callee{found->first, app.authority, app.endpoint, false, app.method_in};
    }
  }
  // A URL is no app's name.
  const bool can_be_name = dot > 0 && target.find(':') == std::string_view::npos;
  if (elsewhere_ != nullptr && can_be_name) {
    return Callee{target.substr(0, dot), target, elsewhere_, true, MethodIn::kEscaped};
  }
  return fail(failed(Code::kNotFound, target, "couldn't find service: " + std::string(target)));
}

Result<Endpoint*> InvokeService::resolve(std::string_view target) const {
  auto callee = find(target);
  if (!callee) return fail(std::move(callee.error()));
  return callee->endpoint;
}

void InvokeService::hand_over(const Invocation& invocation, std::unique_ptr<net::Exchange> exchange) const {
  net::Handler& handler = invocation.callee.endpoint->handler(invocation.worker);
  if (guard_ == nullptr) return handler.handle(std::move(exchange));
  std::string endpoint(invocation.target);
  if (is_url(invocation.target)) {
    endpoint.append("/").append(invocation.method);
  } else {
    endpoint.append(":").append(invocation.is_external ? invocation.callee.authority : invocation.method);
  }
  guard_->pass({.caller = invocation.caller,
                .target = invocation.target,
                .endpoint = std::move(endpoint),
                .next = handler,
                .worker = invocation.worker},
               std::move(exchange));
}

void InvokeService::hand_over(std::string_view caller, std::string_view target, std::string_view method,
                              std::size_t worker, std::unique_ptr<net::Exchange> exchange) const {
  const auto external = find_external(caller, target);
  const Result<Callee> callee = external ? Result<Callee>(*external) : find(target);
  if (!callee) return exchange->refuse(callee.error());
  hand_over({.caller = caller,
             .target = target,
             .method = method,
             .callee = *callee,
             .worker = worker,
             .is_external = external.has_value()},
            std::move(exchange));
}

void InvokeService::pass(const CallContext& context, std::string_view target, std::string_view method,
                         CallGuard::RpcAttempt attempt, Completion<CallGuard::SharedRpcAnswer> done) const {
  if (guard_ == nullptr) return attempt(context.deadline, std::move(done));
  std::string endpoint(target);
  endpoint.append(":").append(method);
  guard_->pass(CallGuard::Rpc{context, target, std::move(endpoint)}, std::move(attempt), std::move(done));
}

std::vector<std::string> InvokeService::app_ids() const {
  std::vector<std::string> ids;
  for (const auto& [id, app] : apps_) ids.push_back(id);
  return ids;
}

}  // namespace tandem::invoke
