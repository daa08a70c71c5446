// From an AppSpec to a guest that can be run: its module compiled, its grants turned into a Program.
//
// Blocking; on main's thread and on threads of its own while the process starts. Errors name the app and the file.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/guest_options.h"
#include "base/log.h"
#include "config/app_file.h"
#include "config/outbound_hosts.h"
#include "engine/runtime.h"

namespace tandem::server {

// The ports that were chosen for an app.
struct AppPorts {
  std::uint16_t app = 0;
  std::uint16_t dapr_http = 0;
  std::uint16_t dapr_grpc = 0;
  std::optional<std::uint16_t> public_http;  // nullopt: none
};

// Reads and compiles the modules of all apps, several at once. The same order as `apps`.
Result<std::vector<std::unique_ptr<engine::Module>>> load_modules(engine::Runtime& runtime,
                                                                  const std::vector<config::AppSpec>& apps,
                                                                  const Logger& log);

// What the guest sees as its environment: Dapr's own variables and what the app's `env` names, nothing of the host's.
std::vector<std::pair<std::string, std::string>> guest_environment(const config::AppSpec& app, const AppPorts& ports);

Result<std::unique_ptr<engine::Program>> make_program(engine::Runtime& runtime, const engine::Module& module,
                                                      const config::AppSpec& app, const AppPorts& ports,
                                                      const config::OutboundHosts& allowed);

app::GuestOptions guest_options(const config::AppSpec& app, const AppPorts& ports);

}  // namespace tandem::server
