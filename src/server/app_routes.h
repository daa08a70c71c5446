// Where calls that come in by gRPC go: to the apps of this process that speak it, and to the sidecars of other apps.
//
// One for the process, made with InvokeService, which knows all apps. add() is called before the workers start, the
// rest from any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "blocks/invoke/invoke_service.h"
#include "net/grpc/call_route.h"

namespace tandem::server {

class AppRoutes final : public net::grpc::CallRouter {
 public:
  // `invoke` outlives the routes.
  explicit AppRoutes(const invoke::InvokeService& invoke) : invoke_(invoke) {}

  void add(net::grpc::CallRoute route);

  // The way to the sidecar of an app that is not of this process: its app id, its namespace (empty: that of the
  // process). The metadata of the route are filled in here. Before the workers start; without one there is no way.
  using Elsewhere =
      std::function<void(std::string_view app_id, std::string_view name_space, Completion<net::grpc::CallRoute> done)>;
  void set_elsewhere(Elsewhere elsewhere) { elsewhere_ = std::move(elsewhere); }

  // Whether the app takes invocations at the moment; of no use for one that has no route.
  void set_health(std::string_view app_id, std::function<bool()> is_healthy);

  const net::grpc::CallRoute* here(std::string_view app_id) const override;
  // Fails as daprd does: UNKNOWN for an app that nobody knows, UNAVAILABLE for one that does not speak gRPC.
  void find(std::string_view target, Completion<net::grpc::CallRoute> done) const override;

 private:
  const invoke::InvokeService& invoke_;
  Elsewhere elsewhere_;
  std::map<std::string, net::grpc::CallRoute, std::less<>> routes_;
};

}  // namespace tandem::server
