#include "cli/daprd_arguments.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <vector>

#include "base/text.h"
#include "cli/flag_values.h"
#include "config/duration.h"
#include "config/quantity.h"
#include "config/text.h"

namespace tandem::cli {
namespace {

using config::printable;

constexpr std::uint64_t kDefaultBody = 4ull << 20;
constexpr std::uint64_t kDefaultReadBuffer = 4ull << 10;
// What daprd calls no limit: more than any body, and still a number to reckon with.
constexpr std::uint64_t kNoLimit = 1ull << 40;

// All addresses of both kinds where the machine has IPv6, as Go's listener takes them.
std::string all_addresses() {
  const int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return "0.0.0.0";
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0;
  ::close(fd);
  return bound ? "::" : "0.0.0.0";
}

class Reader final {
 public:
  Reader(const DaprdFlags& flags, const Environment& environment) : flags_(flags), environment_(environment) {}

  Result<RunArguments> read() {
    refuse_what_is_not_there();
    config::AppSpec app;
    read_app(app);
    read_channel(app);
    read_health(app);
    read_resources(app);
    read_sizes(app);
    read_server(app);
    read_log();
    out_.options.apps.push_back(std::move(app));
    for (const DaprdFlag* flag : flags_.idle()) {
      out_.notes.push_back(fmt::format("--{} is accepted and has no effect: {}", flag->name, flag->text));
    }
    if (errors_.empty()) return std::move(out_);
    return fail(Code::kInvalidArgument, fmt::format("{}", fmt::join(errors_, "\n")));
  }

 private:
  void error(std::string message) { errors_.push_back(std::move(message)); }

  void refuse_what_is_not_there() {
    if (flags_.is_on("enable-mtls")) {
      error(
          "--enable-mtls is not supported: Tandem gets no certificates from Dapr's Sentry. Leave it out where the "
          "network "
          "between the sidecars is one you trust, or use Dapr's own daprd");
    }
    if (const std::string mode = flags_.text("mode"); mode != "standalone") {
      error(mode == "kubernetes"
                ? std::string("--mode kubernetes is not supported: Tandem does not speak to Dapr's control plane. In a "
                              "pod start it with --mode standalone, its resources and Configuration in a mounted "
                              "ConfigMap (--resources-path, --config), or let Dapr inject its own daprd")
                : fmt::format("--mode: \"{}\" is not standalone, the only mode here", printable(mode)));
    }
  }

  void read_app(config::AppSpec& app) {
    app.app_id = flags_.text("app-id");
    if (app.app_id.empty()) {
      error("--app-id: parameter app-id cannot be empty");
    } else if (app.app_id.contains('.')) {
      error("--app-id: parameter app-id cannot contain dots");
    } else if (std::string why = config::check_app_id(app.app_id); !why.empty()) {
      error("--app-id: " + why);
    }
    // Given as false it goes before the Configuration, too.
    if (flags_.given("enable-api-logging")) app.enable_api_logging = flags_.is_on("enable-api-logging");
    app.app_port = port("app-port", flags_.text("app-port")).value_or(0);
    if (const long long most = flags_.integer("app-max-concurrency"); most > 0) {
      app.app_max_concurrency = static_cast<int>(most);
    }
    for (const std::string& text : flags_.texts("disable-init-endpoints")) {
      const std::string name = to_lower(text);
      if (name == "config") {
        app.ask_for_config = false;
      } else if (name == "subscribe") {
        app.ask_for_subscriptions = false;
      } else if (!name.empty()) {
        error(fmt::format("--disable-init-endpoints: invalid value: {}", printable(name)));
      }
    }
  }

  void read_channel(config::AppSpec& app) {
    std::string protocol = to_lower(flags_.text("app-protocol"));
    if (protocol.empty()) protocol = "http";
    constexpr std::array<std::string_view, 5> kKnown = {"http", "https", "h2c", "grpc", "grpcs"};
    if (std::ranges::find(kKnown, protocol) == kKnown.end()) {
      error(fmt::format("invalid value for 'app-protocol': {}", printable(flags_.text("app-protocol"))));
    }
    if (flags_.is_on("app-ssl") && (protocol == "http" || protocol == "grpc")) {
      protocol += 's';
      out_.warnings.push_back(fmt::format("--app-ssl is deprecated; --app-protocol {} says the same", protocol));
    }
    app.app_protocol = std::move(protocol);
    app.app_channel_address = flags_.text("app-channel-address");
  }

  void read_health(config::AppSpec& app) {
    app.enable_app_health_check = flags_.is_on("enable-app-health-check");
    app.app_health_check_path = flags_.text("app-health-check-path");
    // As in daprd, what makes no sense is the default.
    if (const long long seconds = flags_.integer("app-health-probe-interval"); seconds > 0) {
      app.app_health_probe_interval = std::chrono::seconds(seconds);
    }
    if (const long long time = flags_.integer("app-health-probe-timeout"); time > 0) {
      app.app_health_probe_timeout = std::chrono::milliseconds(time);
    }
    if (const long long count = flags_.integer("app-health-threshold"); count > 0 && count < INT_MAX) {
      app.app_health_threshold = static_cast<int>(count);
    }
    if (app.app_health_probe_timeout > app.app_health_probe_interval) {
      error("value for 'health-probe-timeout' must be smaller than 'health-probe-interval'");
    }
  }

  void read_resources(config::AppSpec& app) {
    app.resources_paths = flags_.texts("resources-path");
    if (const std::string old = flags_.text("components-path"); app.resources_paths.empty() && !old.empty()) {
      app.resources_paths = {old};
    }
    std::vector<std::string> files = flags_.texts("config");
    if (files.empty()) return;
    app.config_file_path = files.front();
    app.more_config_files.assign(files.begin() + 1, files.end());
  }

  void read_sizes(config::AppSpec& app) {
    app.dapr_http_max_request_size = size("max-body-size", "dapr-http-max-request-size", 1ull << 20, kDefaultBody);
    app.dapr_http_read_buffer_size =
        size("read-buffer-size", "dapr-http-read-buffer-size", 1ull << 10, kDefaultReadBuffer);
  }

  void read_server(config::AppSpec& app) {
    server::ProcessOptions& options = out_.options;
    read_api_addresses();
    options.unix_socket_folder = flags_.text("unix-domain-socket");
    options.public_listen_address = address("dapr-public-listen-address");
    options.metrics_listen_address = address("metrics-listen-address");
    const auto http = port("dapr-http-port", flags_.text("dapr-http-port"));
    const auto grpc = port("dapr-grpc-port", flags_.text("dapr-grpc-port"));
    if (http) app.dapr_http_port = *http;
    if (grpc) app.dapr_grpc_port = *grpc;
    options.internal_listen_address = address("dapr-internal-grpc-listen-address");
    if (const std::string text = flags_.text("dapr-internal-grpc-port"); !text.empty()) {
      if (const auto internal = port("dapr-internal-grpc-port", text)) app.dapr_internal_grpc_port = *internal;
    }
    if (const std::string text = flags_.text("dapr-public-port"); !text.empty()) {
      options.public_port = port("dapr-public-port", text);
    }
    options.metrics_port = port("metrics-port", flags_.text("metrics-port"));
    if (!flags_.is_on("enable-metrics")) options.metrics_port.reset();
    const auto conflict = [&](std::string_view flag, std::optional<std::uint16_t> other) {
      if (other && *other != 0 && *other == *app.app_port) {
        error(fmt::format("the '{}' argument value {} conflicts with 'app-port'", flag, *other));
      }
    };
    conflict("dapr-http-port", http);
    conflict("dapr-grpc-port", grpc);
    options.allowed_origins = flags_.text("allowed-origins");
    options.dapr_api_token = environment_("DAPR_API_TOKEN");
    options.app_api_token = environment_("APP_API_TOKEN");
    options.name_space = environment_("NAMESPACE");
    options.components_sockets_folder = environment_("DAPR_COMPONENTS_SOCKETS_FOLDER");
    options.host_address = environment_("DAPR_HOST_IP");
    options.without_folders = server::ProcessOptions::WithoutFolders::kNothing;
    if (const long long seconds = flags_.integer("dapr-graceful-shutdown-seconds"); seconds >= 0) {
      options.shutdown_limit = std::chrono::seconds(seconds);
    }
    if (flags_.given("dapr-block-shutdown-duration")) {
      // It has been checked as a duration already.
      if (auto time = config::parse_duration(flags_.text("dapr-block-shutdown-duration"))) out_.hold_stop = *time;
    }
  }

  void read_log() {
    const std::string level = flags_.text("log-level");
    if (auto parsed = parse_log_level(level)) {
      out_.log_level = *parsed;
    } else {
      error(fmt::format("invalid value for --log-level: {}", printable(level)));
    }
    if (flags_.is_on("log-as-json")) out_.log_format = LogFormat::kJson;
    out_.log_file = flags_.text("log-file");
  }

  std::optional<std::uint16_t> port(std::string_view flag, const std::string& text) {
    if (text.empty() && flag == "app-port") return std::nullopt;
    auto parsed = parse_port(text);
    if (parsed) return *parsed;
    error(fmt::format("--{}: {}", flag, parsed.error().message));
    return std::nullopt;
  }

  void read_api_addresses() {
    server::ProcessOptions& options = out_.options;
    const std::string text = flags_.text("dapr-listen-addresses");
    auto parsed = text.empty() ? Result<std::vector<std::string>>({all_addresses()}) : parse_listen_addresses(text);
    if (!parsed) return error("--dapr-listen-addresses: " + parsed.error().message);
    options.dapr_listen_address = parsed->front();
    options.more_dapr_listen_addresses.assign(parsed->begin() + 1, parsed->end());
  }

  // Empty: all of them.
  std::string address(std::string_view flag) {
    const std::string text = flags_.text(flag);
    if (text.empty()) return all_addresses();
    auto parsed = parse_listen_address(text);
    if (parsed) return *parsed;
    error(fmt::format("--{}: {}", flag, parsed.error().message));
    return {};
  }

  // The newer flag has a unit and goes first, as in daprd; -1 is its default, 0 no limit.
  std::uint64_t size(std::string_view flag, std::string_view old, std::uint64_t unit, std::uint64_t initial) {
    if (flags_.given(flag)) {
      const std::string text = flags_.text(flag);
      if (text == "-1") return initial;
      auto bytes = config::parse_quantity(text);
      if (!bytes) error(fmt::format("invalid value for '{}' option: {}", flag, bytes.error().message));
      return limited(bytes.value_or(initial));
    }
    if (!flags_.given(old)) return initial;
    const long long value = flags_.integer(old);
    return value < 0 ? initial : limited(static_cast<std::uint64_t>(value) * unit);
  }
  static std::uint64_t limited(std::uint64_t bytes) { return bytes == 0 ? kNoLimit : std::min(bytes, kNoLimit); }

  const DaprdFlags& flags_;
  const Environment& environment_;
  RunArguments out_;
  std::vector<std::string> errors_;
};

}  // namespace

Result<RunArguments> daprd_arguments(const DaprdFlags& flags, const Environment& environment) {
  return Reader(flags, environment).read();
}

}  // namespace tandem::cli
