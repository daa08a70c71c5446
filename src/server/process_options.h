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
  std::vector<std::string> more_dapr_listen_addresses;
  // In place of these ports of the Dapr API: the files dapr-<app id>-http.socket and dapr-<app id>-grpc.socket in this
  // folder; empty: the ports.
  std::string unix_socket_folder;
  // Port of the first app when it names none: 8080, then free ones. Likewise 3500 and 50001 for its Dapr HTTP and gRPC
  // API; 0: any free port.
  std::uint16_t first_app_port = 8080;
  std::uint16_t first_dapr_http_port = 3500;
  std::uint16_t first_dapr_grpc_port = 50001;
  // Where other sidecars call the apps: nobody proves who he is there, so not to all the world. The first app's port
  // when it names none; 0: any free one.
  std::string internal_listen_address = "127.0.0.1";
  std::uint16_t first_dapr_internal_grpc_port = 0;
  // DAPR_HOST_IP: the address by which other machines reach this one; empty: it is found out.
  std::string host_address;
  // Prometheus's /metrics of the process; nullopt: off.
  std::optional<std::uint16_t> metrics_port = 9090;
  std::string metrics_listen_address;  // empty: that of the Dapr API
  // Health and metadata of the first app once more, without an API token; nullopt: off.
  std::optional<std::uint16_t> public_port;
  std::string public_listen_address;  // empty: that of the Dapr API

  std::size_t workers = 0;  // 0: one a core
  // Linear memory of all guests together; nullopt: default_guest_memory().
  std::optional<std::uint64_t> guest_memory_bytes;
  std::string cache_folder;     // compiled modules; empty: off
  std::string dapr_api_token;   // DAPR_API_TOKEN: the Dapr API asks for it
  std::string app_api_token;    // APP_API_TOKEN: apps outside the process are sent it
  std::string allowed_origins;  // of the Dapr API; empty: no CORS, as daprd
  std::string name_space;       // NAMESPACE
  // DAPR_COMPONENTS_SOCKETS_FOLDER: where pluggable components have their sockets; empty: where Dapr has them.
  std::string components_sockets_folder;
  // What an app that names no resource folder has: a state store and a broker in memory, or, as with daprd, nothing.
  enum class WithoutFolders { kInMemory, kNothing } without_folders = WithoutFolders::kInMemory;

  // Guests' modules that change on the disk take the place of those that run.
  enum class Modules { kAsTheyWere, kWatched } modules = Modules::kAsTheyWere;

  // Where listening sockets are kept for the server that takes this one's place; null: nowhere.
  net::HeldSockets* held_sockets = nullptr;

  // After SIGTERM: how long requests in flight may take.
  std::chrono::milliseconds shutdown_limit{5000};
};

}  // namespace tandem::server
