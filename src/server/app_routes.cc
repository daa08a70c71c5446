#include "server/app_routes.h"

#include <fmt/format.h>

#include <utility>

namespace tandem::server {

void AppRoutes::add(net::grpc::CallRoute route) {
  std::string app_id = route.app_id;
  routes_.insert_or_assign(std::move(app_id), std::move(route));
}

void AppRoutes::set_health(std::string_view app_id, std::function<bool()> is_healthy) {
  const auto found = routes_.find(app_id);
  if (found != routes_.end()) found->second.is_healthy = std::move(is_healthy);
}

const net::grpc::CallRoute* AppRoutes::here(std::string_view app_id) const {
  const auto found = routes_.find(app_id);
  return found == routes_.end() ? nullptr : &found->second;
}

void AppRoutes::find(std::string_view target, Completion<net::grpc::CallRoute> done) const {
  const auto callee = invoke_.find(target);
  if (!callee) {
    const bool named = callee.error().code == Code::kNotFound;
    return done(
        fail(Code::kUnknown, fmt::format("{} {}", named ? "couldn't find service:" : "invalid app id", target)));
  }
  if (const net::grpc::CallRoute* route = here(callee->app_id)) return done(*route);
  if (callee->elsewhere && elsewhere_) {
    const std::size_t dot = target.find('.');
    const std::string app_id(target.substr(0, dot));
    const std::string name_space(dot == std::string_view::npos ? std::string_view{} : target.substr(dot + 1));
    return elsewhere_(app_id, name_space, [app_id, done = std::move(done)](Result<net::grpc::CallRoute> route) mutable {
      if (!route) return done(fail(Code::kUnknown, std::move(route.error().message)));
      // The other sidecar asks again who is meant.
      route->metadata = {{"dapr-app-id", app_id}};
      done(std::move(*route));
    });
  }
  done(fail(Code::kUnavailable,
            fmt::format("connection error: app {} does not speak gRPC (app-protocol grpc)", callee->app_id)));
}

}  // namespace tandem::server
