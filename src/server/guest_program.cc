#include "server/guest_program.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <thread>
#include <utility>

#include "host/host_interfaces.h"

namespace tandem::server {
namespace {

constexpr std::uint64_t kMaxModuleBytes = 512ull << 20;
constexpr std::uint64_t kDefaultMemoryBytes = 256ull << 20;

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return fail(Code::kNotFound, fmt::format("cannot open {}: {}", path, std::strerror(errno)));
  const std::streamoff size = file.tellg();
  if (size < 0) return fail(Code::kInvalidArgument, fmt::format("{} is not a file", path));
  if (static_cast<std::uint64_t>(size) > kMaxModuleBytes) {
    return fail(Code::kResourceExhausted, fmt::format("{} is larger than {} MiB", path, kMaxModuleBytes >> 20));
  }
  std::string bytes(static_cast<std::size_t>(size), '\0');
  file.seekg(0);
  if (!file.read(bytes.data(), size)) return fail(Code::kUnavailable, fmt::format("cannot read {}", path));
  return bytes;
}

Result<std::unique_ptr<engine::Module>> load_module(engine::Runtime& runtime, const config::AppSpec& app,
                                                    const Logger& log) {
  const auto bytes = read_file(app.module);
  if (!bytes) return fail(bytes.error().code, fmt::format("app {}: {}", app.app_id, bytes.error().message));
  const auto started = std::chrono::steady_clock::now();
  auto module = engine::Module::load(runtime, *bytes);
  if (!module) {
    return fail(module.error().code, fmt::format("app {}: {}: {}", app.app_id, app.module, module.error().message));
  }
  if ((*module)->kind() == engine::ModuleKind::kCore) {
    return fail(
        Code::kInvalidArgument,
        fmt::format("app {}: {}: a core module without _start: there is nothing to run; give an HTTP component or "
                    "a command (tandem inspect {} says what is in it)",
                    app.app_id, app.module, app.module));
  }
  const auto elapsed =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started);
  const Logger app_log = log.for_app(app.app_id);
  if (const std::string note = (*module)->cache_note(); !note.empty()) app_log.warn("tandem.engine", note);
  app_log.debug("tandem.engine", (*module)->was_cached() ? "module mapped from the cache" : "module compiled",
                {{"module", app.module}, {"ms", std::to_string(elapsed.count())}});
  return module;
}

engine::SocketPolicy socket_policy(const config::OutboundHosts& allowed) {
  const auto hosts = std::make_shared<const config::OutboundHosts>(allowed);
  engine::SocketPolicy policy;
  policy.allow_name = [hosts](std::string_view name) { return hosts->allows_lookup(name); };
  policy.allow_address = [hosts](engine::Transport transport, std::string_view name, std::string_view ip,
                                 std::uint16_t port) {
    const auto address = config::IpAddress::parse(ip);
    if (!address) return false;
    const std::string_view scheme = transport == engine::Transport::kTcp ? config::kTcpScheme : config::kUdpScheme;
    return name.empty() ? hosts->allows_socket(scheme, port, *address)
                        : hosts->allows_address(scheme, name, port, *address);
  };
  return policy;
}

}  // namespace

Result<std::vector<std::unique_ptr<engine::Module>>> load_modules(engine::Runtime& runtime,
                                                                  const std::vector<config::AppSpec>& apps,
                                                                  const Logger& log) {
  std::vector<Result<std::unique_ptr<engine::Module>>> loaded(apps.size());
  {
    // Wasmtime compiles one module on several threads already; a module from the cache takes milliseconds.
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < apps.size(); ++i) {
      threads.emplace_back([&, i] { loaded[i] = load_module(runtime, apps[i], log); });
      if (threads.size() >= 4) threads.clear();
    }
  }
  std::vector<std::unique_ptr<engine::Module>> modules;
  for (auto& module : loaded) {
    if (!module) return fail(std::move(module.error()));
    modules.push_back(std::move(*module));
  }
  // The threads that compiled have freed hundreds of megabytes, which the allocator would keep for them.
  if (!std::ranges::all_of(modules, [](const auto& module) { return module->was_cached(); })) malloc_trim(0);
  return modules;
}

std::vector<std::pair<std::string, std::string>> guest_environment(const config::AppSpec& app, const AppPorts& ports) {
  std::vector<std::pair<std::string, std::string>> env = {
      {"APP_ID", app.app_id},
      {"APP_PORT", std::to_string(ports.app)},
      {"DAPR_HTTP_PORT", std::to_string(ports.dapr_http)},
      {"DAPR_HTTP_ENDPOINT", fmt::format("http://localhost:{}", ports.dapr_http)},
      {"DAPR_GRPC_PORT", std::to_string(ports.dapr_grpc)},
      {"DAPR_GRPC_ENDPOINT", fmt::format("http://localhost:{}", ports.dapr_grpc)},
  };
  for (const auto& [name, value] : app.env) {
    const auto same = std::ranges::find(env, name, &std::pair<std::string, std::string>::first);
    if (same == env.end()) {
      env.emplace_back(name, value);
    } else {
      same->second = value;
    }
  }
  return env;
}

Result<std::unique_ptr<engine::Program>> make_program(engine::Runtime& runtime, const engine::Module& module,
                                                      const config::AppSpec& app, const AppPorts& ports,
                                                      const config::OutboundHosts& allowed) {
  const auto named = [&](Error error) {
    return fail(error.code, fmt::format("app {}: {}: {}", app.app_id, app.module, error.message));
  };
  auto linker = engine::Linker::make(runtime);
  if (!linker) return named(std::move(linker.error()));
  const host::GuestConfig config(app.env.begin(), app.env.end());
  if (Status linked = host::link_host_interfaces((*linker)->raw(), config); !linked) {
    return named(std::move(linked.error()));
  }
  engine::ProgramOptions options;
  options.env = guest_environment(app, ports);
  options.args = {app.app_id};
  for (const config::FileMount& mount : app.files) {
    options.mounts.push_back({mount.source, mount.destination,
                              mount.read_only ? engine::Mount::Access::kReadOnly : engine::Mount::Access::kReadWrite});
  }
  options.max_memory_bytes = app.memory_limit_bytes.value_or(kDefaultMemoryBytes);
  if (allowed.has_sockets()) options.sockets = socket_policy(allowed);
  auto program = engine::Program::make(module, **linker, std::move(options));
  if (!program) return named(std::move(program.error()));
  return program;
}

app::GuestOptions guest_options(const config::AppSpec& app, const AppPorts& ports) {
  app::GuestOptions options;
  options.app_id = app.app_id;
  options.isolation = app.isolation;
  if (app.max_instances) options.max_instances = static_cast<std::size_t>(std::max(*app.max_instances, 1));
  if (app.app_max_concurrency && *app.app_max_concurrency > 0) {
    options.max_instances = std::min(options.max_instances, static_cast<std::size_t>(*app.app_max_concurrency));
  }
  if (app.min_instances) options.min_instances = static_cast<std::size_t>(std::max(*app.min_instances, 0));
  options.min_instances = std::min(options.min_instances, options.max_instances);
  if (app.instance_max_requests) options.instance_max_requests = std::max<std::uint64_t>(*app.instance_max_requests, 1);
  if (app.instance_max_age) {
    options.instance_max_age = std::chrono::ceil<std::chrono::seconds>(*app.instance_max_age);
  }
  // An instance that has come near its bound is replaced between two calls, not killed in one.
  options.instance_retire_bytes = app.memory_limit_bytes.value_or(kDefaultMemoryBytes) / 4 * 3;
  if (app.request_timeout) {
    options.request_timeout = std::chrono::ceil<std::chrono::milliseconds>(*app.request_timeout);
  }
  options.health_path = app.app_health_check_path;
  options.dapr_http_port = ports.dapr_http;
  return options;
}

}  // namespace tandem::server
