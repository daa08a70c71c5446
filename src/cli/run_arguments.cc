#include "cli/run_arguments.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <climits>
#include <filesystem>

#include "cli/cache_folder.h"
#include "cli/flag_reader.h"
#include "cli/flag_set.h"
#include "cli/flag_values.h"
#include "cli/module_file.h"
#include "cli/run_file.h"
#include "cli/run_flags.h"
#include "config/outbound_hosts.h"
#include "config/text.h"

namespace tandem::cli {
namespace {

using config::printable;

constexpr std::int64_t kMostWorkers = 1024;
constexpr std::int64_t kMostInstances = 1'000'000;
constexpr std::int64_t kMostMegabytes = 4096;
constexpr std::int64_t kMostKilobytes = 65536;
constexpr std::int64_t kMostShutdownSeconds = 86400;
constexpr std::int64_t kMostProbeSeconds = 86400;

auto integer(std::int64_t least, std::int64_t most) {
  return [=](std::string_view text) { return parse_integer(text, least, most); };
}

Result<std::string> as_it_is(std::string_view text) { return std::string(text); }

Result<std::string> parse_app_id(std::string_view text) {
  if (std::string why = config::check_app_id(text); !why.empty()) return fail(Code::kInvalidArgument, std::move(why));
  return std::string(text);
}

Result<config::Isolation> parse_isolation(std::string_view text) {
  if (text == "instance") return config::Isolation::kInstance;
  if (text == "request") return config::Isolation::kRequest;
  return fail(Code::kInvalidArgument, fmt::format("\"{}\" is neither instance nor request", printable(text)));
}

Result<std::string> parse_protocol(std::string_view text) {
  if (text == "http") return std::string(text);
  return fail(Code::kInvalidArgument,
              fmt::format("\"{}\" is not supported yet: this version serves apps over http", printable(text)));
}

Result<std::string> parse_outbound(std::string_view text) {
  const std::string entry(text);
  if (auto hosts = config::OutboundHosts::parse({&entry, 1}); !hosts) return fail(hosts.error());
  return entry;
}

Result<LogLevel> parse_level(std::string_view text) {
  auto level = parse_log_level(text);
  if (!level) return fail(Code::kInvalidArgument, fmt::format("\"{}\": {}", printable(text), level.error().message));
  return *level;
}

void read_app_id(FlagReader& reader, config::AppSpec& app) {
  if (reader.flags().given("--app-id") || !reader.environment("APP_ID").empty()) {
    if (auto id = reader.take("--app-id", "APP_ID", parse_app_id)) app.app_id = *id;
    return;
  }
  std::string name = std::filesystem::path(app.module).filename().string();
  for (std::string_view ending : {".wasm", ".wat"}) {
    if (name.ends_with(ending)) name.resize(name.size() - ending.size());
  }
  if (std::string why = config::check_app_id(name); !why.empty()) {
    reader.error(fmt::format("the file's name gives no app id ({}): give --app-id", why));
  }
  app.app_id = std::move(name);
}

void read_app_health(FlagReader& reader, config::AppSpec& app) {
  app.enable_app_health_check = reader.flags().is_on("--enable-app-health-check");
  if (auto path = reader.take("--app-health-check-path", as_it_is)) app.app_health_check_path = *path;
  if (auto seconds = reader.take("--app-health-probe-interval", integer(1, kMostProbeSeconds))) {
    app.app_health_probe_interval = std::chrono::seconds(*seconds);
  }
  if (auto time = reader.take("--app-health-probe-timeout", integer(1, kMostProbeSeconds * 1000))) {
    app.app_health_probe_timeout = std::chrono::milliseconds(*time);
  }
  if (auto count = reader.take("--app-health-threshold", integer(1, INT_MAX))) {
    app.app_health_threshold = static_cast<int>(*count);
  }
  if (app.app_health_probe_timeout > app.app_health_probe_interval) {
    reader.error("--app-health-probe-timeout must not be longer than --app-health-probe-interval");
  }
}

void read_app_limits(FlagReader& reader, config::AppSpec& app) {
  if (auto count = reader.take("--instances", integer(1, kMostInstances))) app.max_instances = static_cast<int>(*count);
  if (auto count = reader.take("--app-max-concurrency", integer(-1, INT_MAX)); count && *count > 0) {
    app.app_max_concurrency = static_cast<int>(*count);
  }
  app.memory_limit_bytes = reader.take("--memory-limit", parse_memory);
  app.request_timeout = reader.take("--request-timeout", parse_limit);

  reader.exclude("--max-body-size", "--dapr-http-max-request-size", "both say the same; give one");
  app.dapr_http_max_request_size = reader.take("--max-body-size", parse_size);
  if (auto megabytes = reader.take("--dapr-http-max-request-size", integer(1, kMostMegabytes))) {
    app.dapr_http_max_request_size = static_cast<std::uint64_t>(*megabytes) << 20;
  }
  reader.exclude("--read-buffer-size", "--dapr-http-read-buffer-size", "both say the same; give one");
  app.dapr_http_read_buffer_size = reader.take("--read-buffer-size", parse_size);
  if (auto kilobytes = reader.take("--dapr-http-read-buffer-size", integer(1, kMostKilobytes))) {
    app.dapr_http_read_buffer_size = static_cast<std::uint64_t>(*kilobytes) << 10;
  }
}

// The one app of `tandem run app.wasm`.
config::AppSpec read_app(FlagReader& reader, const std::string& module) {
  config::AppSpec app;
  app.module = module;
  std::error_code ignored;
  app.app_dir_path = std::filesystem::current_path(ignored).string();
  if (Status good = check_module_file(module); !good) reader.error(good.error().message);
  read_app_id(reader, app);
  if (auto port = reader.take("--app-port", "APP_PORT", parse_port)) app.app_port = *port;
  if (auto port = reader.take("--dapr-http-port", "DAPR_HTTP_PORT", parse_port)) app.dapr_http_port = *port;
  reader.take("--app-protocol", parse_protocol);
  app.isolation = reader.take("--isolation", parse_isolation).value_or(app.isolation);
  app.resources_paths = reader.take_all("--resources-path", as_it_is);
  for (std::string& path : reader.flags().values("--components-path")) app.resources_paths.push_back(std::move(path));
  app.config_file_path = reader.take("--config", as_it_is).value_or("");
  if (reader.flags().is_on("--enable-api-logging")) app.enable_api_logging = true;
  for (auto& [name, value] : reader.take_all("--env", parse_variable)) app.env[name] = std::move(value);
  app.files = reader.take_all("--mount", parse_mount);
  app.allowed_outbound_hosts = reader.take_all("--allow-outbound", parse_outbound);
  read_app_health(reader, app);
  read_app_limits(reader, app);
  return app;
}

// What belongs to the process, whether its apps come from a file or from flags.
void read_process(FlagReader& reader, RunArguments& out) {
  server::ProcessOptions& options = out.options;
  if (auto address = reader.take("--app-listen-address", parse_listen_address)) options.app_listen_address = *address;
  if (auto addresses = reader.take("--dapr-listen-addresses", parse_listen_addresses)) {
    options.dapr_listen_address = addresses->front();
    options.more_dapr_listen_addresses.assign(addresses->begin() + 1, addresses->end());
  }
  if (auto folder = reader.take("--unix-domain-socket", as_it_is)) options.unix_socket_folder = *folder;
  if (auto port = reader.take("--dapr-grpc-port", "DAPR_GRPC_PORT", parse_port)) options.first_dapr_grpc_port = *port;
  if (auto port = reader.take("--dapr-internal-grpc-port", parse_port)) options.first_dapr_internal_grpc_port = *port;
  if (auto address = reader.take("--dapr-internal-grpc-listen-address", parse_listen_address)) {
    options.internal_listen_address = *address;
  }
  options.host_address = reader.environment("DAPR_HOST_IP");
  options.allowed_origins = reader.take("--allowed-origins", as_it_is).value_or(options.allowed_origins);
  options.dapr_api_token = reader.environment("DAPR_API_TOKEN");
  options.app_api_token = reader.environment("APP_API_TOKEN");
  options.name_space = reader.environment("NAMESPACE");
  options.components_sockets_folder = reader.environment("DAPR_COMPONENTS_SOCKETS_FOLDER");
  if (auto port = reader.take("--metrics-port", "DAPR_METRICS_PORT", parse_port)) options.metrics_port = *port;
  if (reader.flags().is_off("--enable-metrics") || reader.flags().is_on("--no-metrics")) options.metrics_port.reset();
  if (auto count = reader.take("--workers", integer(0, kMostWorkers)))
    options.workers = static_cast<std::size_t>(*count);

  if (reader.flags().is_on("--watch")) options.modules = server::ProcessOptions::Modules::kWatched;
  options.guest_memory_bytes = reader.take("--total-memory-limit", parse_memory);

  reader.exclude("--cache-folder", "--no-cache", "give one of them");
  CacheFolder cache =
      choose_cache_folder(reader.flags(), [&](std::string_view name) { return reader.environment(name); });
  options.cache_folder = std::move(cache.path);
  if (!cache.note.empty()) out.warnings.push_back(std::move(cache.note));

  reader.exclude("--shutdown-limit", "--dapr-graceful-shutdown-seconds", "both say the same; give one");
  if (auto limit = reader.take("--shutdown-limit", parse_limit)) {
    options.shutdown_limit = std::chrono::ceil<std::chrono::milliseconds>(*limit);
  }
  if (auto seconds = reader.take("--dapr-graceful-shutdown-seconds", integer(0, kMostShutdownSeconds))) {
    options.shutdown_limit = std::chrono::seconds(*seconds);
  }
  if (auto time = reader.take("--dapr-block-shutdown-duration", parse_limit)) out.hold_stop = *time;
  out.log_level = reader.take("--log-level", parse_level).value_or(out.log_level);
  if (reader.flags().is_on("--log-as-json")) out.log_format = LogFormat::kJson;
}

// Ports that were given twice fail here, with the flags' names, rather than when they are bound.
void check_ports(FlagReader& reader, const RunArguments& arguments) {
  const config::AppSpec& app = arguments.options.apps.front();
  const int app_port = app.app_port.value_or(0);
  const int dapr_port = app.dapr_http_port.value_or(0);
  const int grpc_port = arguments.options.first_dapr_grpc_port;
  const int metrics_port = arguments.options.metrics_port.value_or(0);
  const auto check = [&](std::string_view one, int a, std::string_view other, int b) {
    if (a != 0 && a == b) reader.error(fmt::format("{} and {} are both {}", one, other, a));
  };
  check("--app-port", app_port, "--dapr-http-port", dapr_port);
  check("--app-port", app_port, "--metrics-port", metrics_port);
  check("--app-port", app_port, "--dapr-grpc-port", grpc_port);
  check("--dapr-http-port", dapr_port, "--metrics-port", metrics_port);
  check("--dapr-http-port", dapr_port, "--dapr-grpc-port", grpc_port);
  check("--dapr-grpc-port", grpc_port, "--metrics-port", metrics_port);
  const int internal_port = arguments.options.first_dapr_internal_grpc_port;
  check("--app-port", app_port, "--dapr-internal-grpc-port", internal_port);
  check("--dapr-http-port", dapr_port, "--dapr-internal-grpc-port", internal_port);
  check("--dapr-grpc-port", grpc_port, "--dapr-internal-grpc-port", internal_port);
  check("--metrics-port", metrics_port, "--dapr-internal-grpc-port", internal_port);
}

// The file of a multi-app run, from -f or because there is one here; empty: a single module.
Result<std::string> choose_file(const FlagSet& flags) {
  const auto& operands = flags.operands();
  if (auto file = flags.value("--run-file")) {
    if (operands.empty()) return *file;
    return fail(Code::kInvalidArgument, fmt::format("-f {} and {}: give a file of apps or one module, not both",
                                                    printable(*file), printable(operands.front())));
  }
  if (operands.size() > 1) {
    return fail(Code::kInvalidArgument,
                fmt::format("one module is expected, and \"{}\" is left over (Tandem starts no other program; several "
                            "apps go into a tandem.yaml)",
                            printable(operands[1])));
  }
  if (!operands.empty()) return std::string();
  struct stat info{};
  if (::stat("tandem.yaml", &info) == 0) return std::string("tandem.yaml");
  return fail(Code::kInvalidArgument,
              "nothing to run: give the path of a .wasm, or -f with a tandem.yaml; there is none in this folder");
}

}  // namespace

Result<std::variant<HelpText, RunArguments>> parse_run_arguments(Arguments arguments, const Environment& environment) {
  FlagSet flags(run_text(), run_flags());
  auto parsed = flags.parse(arguments);
  if (!parsed) return fail(parsed.error());
  if (*parsed == Parsed::kHelp) return HelpText{flags.help()};
  auto file = choose_file(flags);
  if (!file) return fail(file.error());

  RunArguments out;
  FlagReader reader(flags, environment);
  read_process(reader, out);
  if (file->empty()) {
    out.options.apps.push_back(read_app(reader, flags.operands().front()));
    check_ports(reader, out);
  } else {
    read_app_file(reader, *file, out);
  }
  if (Status good = reader.status(); !good) return fail(good.error());
  return out;
}

}  // namespace tandem::cli
