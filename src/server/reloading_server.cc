#include "server/reloading_server.h"

#include <chrono>
#include <thread>
#include <utility>

namespace tandem::server {
namespace {

// For whoever has just connected to the old server: an idle connection is closed by its stop.
constexpr std::chrono::milliseconds kFirstRequest{250};

// The same ports the next time, also those that the system chose.
void pin_ports(const Server& server, ProcessOptions& options) {
  const auto pin = [](auto& wanted, std::uint16_t taken) {
    if (taken != 0) wanted = taken;
  };
  for (const AppAddress& address : server.addresses()) {
    for (config::AppSpec& app : options.apps) {
      if (app.app_id != address.app_id) continue;
      pin(app.app_port, address.app_port);
      pin(app.dapr_http_port, address.dapr_http_port);
      pin(app.dapr_grpc_port, address.dapr_grpc_port);
      pin(options.public_port, address.public_port);
      pin(app.dapr_internal_grpc_port, address.internal_grpc_port);
    }
  }
  pin(options.metrics_port, server.metrics_port());
}

}  // namespace

ReloadingServer::ReloadingServer(ProcessOptions options, const Logger& log, Server::Requests requests)
    : options_(std::move(options)), log_(log), requests_(std::move(requests)) {
  options_.held_sockets = &sockets_;
}

ReloadingServer::~ReloadingServer() = default;

Result<std::unique_ptr<ReloadingServer>> ReloadingServer::start(ProcessOptions options, const Logger& log,
                                                                Server::Requests requests) {
  std::unique_ptr<ReloadingServer> self(new ReloadingServer(std::move(options), log, std::move(requests)));
  auto server = Server::start(self->options_, log, self->requests_);
  if (!server) return fail(std::move(server.error()));
  self->server_ = std::move(*server);
  pin_ports(*self->server_, self->options_);
  return self;
}

Status ReloadingServer::reload() {
  log_.info("tandem.server", "reloading: resources and configuration are read again");
  auto next = Server::start(options_, log_, requests_);
  if (!next) {
    log_.error("tandem.server", "the reload failed; what was there before goes on", {{"error", next.error().message}});
    return fail(std::move(next.error()));
  }
  const std::unique_ptr<Server> before = std::exchange(server_, std::move(*next));
  before->stop_accepting();
  std::this_thread::sleep_for(kFirstRequest);
  before->stop();
  log_.info("tandem.server", "reloaded");
  return {};
}

bool ReloadingServer::stop() {
  sockets_.release();
  return server_->stop();
}

}  // namespace tandem::server
