// What one Tandem process is asked to do, after flags, environment and tandem.yaml have been read.
//
// Made by cli/, read once by Server::start. An app is described by config::AppSpec whether it comes from a file or from
// the flags of `tandem run app.wasm`. Values that are not set there mean the defaults named here.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/app_file.h"

namespace tandem::net {
class HeldSockets;
}

namespace tandem::server {

struct ProcessOptions {
  std::vector<config::AppSpec> apps;

  // Where apps, the Dapr API and metrics listen.
  std::string app_listen_address = "127.0.0.1";
  std::string dapr_listen_address = "127.0.0.1";
  // Port of the first app when it names none: 8080, then free ones. Likewise 3500 and 50001 for its Dapr HTTP and gRPC
  // API; 0: any free port.
  std::uint16_t first_app_port = 8080;
  std::uint16_t first_dapr_http_port = 3500;
  std::uint16_t first_dapr_grpc_port = 50001;
  // Prometheus's /metrics of the process; nullopt: off.
  std::optional<std::uint16_t> metrics_port = 9090;

  std::size_t workers = 0;  // 0: one a core
  // Linear memory of all guests together; nullopt: default_guest_memory().
  std::optional<std::uint64_t> guest_memory_bytes;
  std::string cache_folder;     // compiled modules; empty: off
  std::string dapr_api_token;   // DAPR_API_TOKEN: the Dapr API asks for it
  std::string allowed_origins;  // of the Dapr API; empty: no CORS, as daprd
  std::string name_space;       // NAMESPACE

  // Where listening sockets are kept for the server that takes this one's place; null: nowhere.
  net::HeldSockets* held_sockets = nullptr;

  // After SIGTERM: how long requests in flight may take.
  std::chrono::milliseconds shutdown_limit{5000};
};

}  // namespace tandem::server
