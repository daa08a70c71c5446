// What joins the apps of this process with those of other sidecars: the internal port of each app, the name resolver,
// and the way out for invocations of apps that are not here.
//
// One a process. Made before the workers start; the functions below are the server's, in their order, on one thread.
// Destroyed when the workers have stopped, before they are.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/grpc/internal/internal_door.h"
#include "api/grpc/internal/remote_apps.h"
#include "base/log.h"
#include "base/result.h"
#include "blocks/invoke/invoke_service.h"
#include "blocks/invoke/name_resolver.h"
#include "config/app_file.h"
#include "config/configuration.h"
#include "net/http_server.h"
#include "net/worker.h"
#include "server/process_options.h"

namespace tandem::server {

class Peers final {
 public:
  using HasPolicies = std::function<bool(std::string_view caller, std::string_view callee)>;

  // All of it outlives this. `has_policies`: whether an app has resiliency policies of its own for another one. Fails
  // when the Configuration asks for a resolver that is not there.
  static Result<std::unique_ptr<Peers>> make(const ProcessOptions& options, const config::Configuration& configuration,
                                             net::Workers& workers, invoke::InvokeService& invoke, const Logger& log,
                                             HasPolicies has_policies);
  ~Peers();

  // Takes the internal port of an app. `others` takes what is not an invocation; it outlives this. Fails when the port
  // is in use.
  Status listen(const config::AppSpec& app, std::uint16_t wanted_port, net::grpc::CallService* others = nullptr);
  // Of an app that listen() was called for.
  std::uint16_t port(std::string_view app_id) const;
  // Lets other sidecars find the apps. With the workers running.
  void open();
  // Says in the log where other sidecars find the apps.
  void announce() const;

  invoke::NameResolver& resolver() { return *resolver_; }
  api::grpc::RemoteApps& remote() { return *remote_; }

  // Another server has taken this one's place: new connections are for it.
  void stop_accepting() {
    for (const Door& one : doors_) one.door->stop_accepting();
  }
  // The orderly stop. `done` hears of all ports together.
  void withdraw() { resolver_->withdraw(); }
  void drain(std::chrono::milliseconds limit, std::move_only_function<void(net::Drained)> done);
  void close() { doors_.clear(); }

 private:
  struct Door {
    std::string app_id;
    std::unique_ptr<api::grpc::InternalDoor> door;
  };

  Peers(const ProcessOptions& options, net::Workers& workers, invoke::InvokeService& invoke, const Logger& log)
      : options_(options), workers_(workers), invoke_(invoke), log_(log) {}

  const ProcessOptions& options_;
  net::Workers& workers_;
  invoke::InvokeService& invoke_;
  const Logger& log_;
  std::unique_ptr<invoke::NameResolver> resolver_;
  std::unique_ptr<api::grpc::RemoteApps> remote_;
  std::vector<Door> doors_;
};

}  // namespace tandem::server
