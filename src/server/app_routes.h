// The apps of this process that speak gRPC, for calls that come in by gRPC: where each is, by app id.
//
// One for the process, made with InvokeService, which knows all apps. add() is called before the workers start, the
// rest from any thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "blocks/invoke/invoke_service.h"
#include "net/grpc/call_route.h"

namespace tandem::server {

class AppRoutes final : public net::grpc::CallRouter {
 public:
  // `invoke` outlives the routes.
  explicit AppRoutes(const invoke::InvokeService& invoke) : invoke_(invoke) {}

  void add(net::grpc::CallRoute route);
  // Whether the app takes invocations at the moment; of no use for one that has no route.
  void set_health(std::string_view app_id, std::function<bool()> is_healthy);

  const net::grpc::CallRoute* here(std::string_view app_id) const override;
  // Fails as daprd does: UNKNOWN for an app that nobody knows, UNAVAILABLE for one that does not speak gRPC.
  void find(std::string_view target, Completion<net::grpc::CallRoute> done) const override;

 private:
  const invoke::InvokeService& invoke_;
  std::map<std::string, net::grpc::CallRoute, std::less<>> routes_;
};

}  // namespace tandem::server
