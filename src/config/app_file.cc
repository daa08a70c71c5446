#include "config/app_file.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <climits>
#include <filesystem>
#include <set>

#include "config/map_reader.h"
#include "config/outbound_hosts.h"
#include "config/text.h"
#include "config/yaml.h"

namespace tandem::config {
namespace {

constexpr std::size_t kMaxApps = 1000;
constexpr std::uint64_t kMebibyte = 1024 * 1024;
constexpr std::uint64_t kKibibyte = 1024;
constexpr std::uint64_t kSmallestGuestMemory = 64 * kKibibyte;  // one page of WebAssembly

// Words of dapr.yaml that are read and have no meaning here.
constexpr std::array<std::string_view, 12> kWithoutMeaning = {
    "unixDomainSocket",
    "profilePort",
    "enableProfiling",
    "placementHostAddress",
    "schedulerHostAddress",
    "appSSL",
    "runtimePath",
    "daprPath",
    "daprdLogDestination",
    "containerImage",
    "containerImagePullPolicy",
    "createService",
};

class AppFileReader final {
 public:
  AppFileReader(const std::string& file, Diagnostics& diagnostics)
      : file_(file),
        folder_(std::filesystem::absolute(file).parent_path().lexically_normal()),
        diagnostics_(diagnostics) {}

  AppFile read(const YamlNode& document) {
    AppFile out;
    out.path = file_;
    MapReader top = reader(&document, "");
    if (top.has("version")) {
      top.integer("version", 1, 1);
    } else {
      diagnostics_.error(top.position(), "version is missing; write \"version: 1\"");
    }
    const YamlNode* common = top.map("common");
    AppSpec base = read_common(common);
    const YamlNode* apps = top.sequence("apps");
    if (!top.has("apps") || (apps && apps->items.empty()))
      diagnostics_.error(top.position(), "apps is missing: no app to run");
    if (apps && apps->items.size() > kMaxApps) {
      diagnostics_.error(top.position(*apps), fmt::format("more than {} apps", kMaxApps));
      apps = nullptr;
    }
    for (std::size_t i = 0; apps && i < apps->items.size(); ++i) {
      MapReader app = reader(apps->items[i].get(), fmt::format("apps[{}]", i));
      out.apps.push_back(read_app(app, base));
    }
    top.finish();
    check_apps(out.apps);
    return out;
  }

 private:
  MapReader reader(const YamlNode* node, std::string path) {
    return MapReader(node, std::move(path), file_, diagnostics_, UnknownKeys::kRefuse);
  }

  std::string absolute(std::string_view path, const std::filesystem::path& base) const {
    if (path.empty()) return {};
    std::string expanded(path);
    if (expanded == "~" || expanded.starts_with("~/")) {
      if (const char* home = std::getenv("HOME")) expanded = home + expanded.substr(1);
    }
    std::string out = (base / expanded).lexically_normal().string();
    if (out.size() > 1 && out.back() == '/') out.pop_back();
    return out;
  }

  AppSpec read_common(const YamlNode* node) {
    AppSpec base;
    base.file = file_;
    if (node == nullptr) return base;
    MapReader common = reader(node, "common");
    read_shared(common, base, folder_);
    common.finish();
    return base;
  }

  // What `common` and each app both take. A value in the app replaces the common one; env is merged.
  void read_shared(MapReader& in, AppSpec& out, const std::filesystem::path& base) {
    read_resources_paths(in, out, base);
    if (auto path = in.text("configFilePath")) out.config_file_path = absolute(*path, base);
    if (auto protocol = in.choice("appProtocol", {"http", "https", "h2c", "grpc", "grpcs"}))
      out.app_protocol = *protocol;
    if (auto level = in.choice("logLevel", {"debug", "info", "warn", "error", "fatal"})) out.log_level = *level;
    if (auto where = in.choice("appLogDestination", {"console", "file", "fileAndConsole"}))
      out.app_log_destination = *where;
    in.get("apiListenAddresses");
    for (auto& [name, value] : in.text_map("env")) {
      if (name.empty() || name.find('=') != std::string::npos || name.find('\0') != std::string::npos) {
        diagnostics_.error(in.position(),
                           fmt::format("{}: \"{}\" is not the name of a variable", in.path_of("env"), printable(name)));
      }
      out.env[name] = value;
    }
    read_dapr_limits(in, out);
    read_health(in, out);
    read_guest(in, out, base);
    for (std::string_view key : kWithoutMeaning) {
      if (const YamlNode* value = in.get(key)) {
        diagnostics_.warning(in.position(*value),
                             fmt::format("{} has no meaning for Tandem and is ignored", in.path_of(key)));
      }
    }
  }

  void read_resources_paths(MapReader& in, AppSpec& out, const std::filesystem::path& base) {
    std::vector<std::string> paths;
    if (const YamlNode* many = in.get("resourcesPaths")) {
      paths = many->kind == YamlNode::Kind::kScalar ? split_and_trim(many->text, ',') : in.texts("resourcesPaths");
    }
    if (auto one = in.text("resourcesPath"); one && !one->empty()) paths.push_back(*one);
    if (paths.empty()) return;
    for (auto& path : paths) path = absolute(path, base);
    out.resources_paths = std::move(paths);
  }

  void read_dapr_limits(MapReader& in, AppSpec& out) {
    // The older words are in MB and KB, the newer ones take a unit; both are Dapr's.
    if (auto megabytes = in.integer("daprHTTPMaxRequestSize", 1, 4096)) {
      out.dapr_http_max_request_size = static_cast<std::uint64_t>(*megabytes) * kMebibyte;
    }
    if (auto kilobytes = in.integer("daprHTTPReadBufferSize", 1, 65536)) {
      out.dapr_http_read_buffer_size = static_cast<std::uint64_t>(*kilobytes) * kKibibyte;
    }
    if (auto bytes = in.quantity("maxBodySize")) out.dapr_http_max_request_size = *bytes;
    if (auto bytes = in.quantity("readBufferSize")) out.dapr_http_read_buffer_size = *bytes;
    if (auto most = in.integer("appMaxConcurrency", -1, INT_MAX)) {
      out.app_max_concurrency = *most > 0 ? std::optional<int>(static_cast<int>(*most)) : std::nullopt;
    }
    if (const auto on = in.boolean("enableApiLogging")) out.enable_api_logging = on;
  }

  void read_health(MapReader& in, AppSpec& out) {
    out.enable_app_health_check = in.boolean("enableAppHealthCheck").value_or(out.enable_app_health_check);
    out.app_health_check_path = in.text_or("appHealthCheckPath", out.app_health_check_path);
    if (auto seconds = in.integer("appHealthProbeInterval", 1, 86400)) {
      out.app_health_probe_interval = std::chrono::seconds(*seconds);
    }
    if (auto milliseconds = in.integer("appHealthProbeTimeout", 1, 86'400'000)) {
      out.app_health_probe_timeout = std::chrono::milliseconds(*milliseconds);
    }
    if (auto count = in.integer("appHealthThreshold", 1, INT_MAX)) out.app_health_threshold = static_cast<int>(*count);
  }

  void read_guest(MapReader& in, AppSpec& out, const std::filesystem::path& base) {
    if (auto isolation = in.choice("isolation", {"instance", "request"})) {
      out.isolation = *isolation == "request" ? Isolation::kRequest : Isolation::kInstance;
    }
    read_instances(in, out);
    if (auto count = in.integer("instanceMaxRequests", 1, INT64_MAX)) {
      out.instance_max_requests = static_cast<std::uint64_t>(*count);
    }
    if (auto age = in.duration("instanceMaxAge")) out.instance_max_age = age;
    if (auto bytes = in.quantity("memoryLimit")) {
      out.memory_limit_bytes = bytes;
      if (*bytes < kSmallestGuestMemory) {
        diagnostics_.error(
            in.position(*in.get("memoryLimit")),
            fmt::format("{} must be at least 64Ki, one page of WebAssembly memory", in.path_of("memoryLimit")));
      }
    }
    if (auto timeout = in.duration("requestTimeout")) {
      out.request_timeout = timeout;
      if (timeout->count() == 0) {
        diagnostics_.error(in.position(*in.get("requestTimeout")),
                           fmt::format("{} must be more than 0", in.path_of("requestTimeout")));
      }
    }
    for (std::string_view key : {"allowedOutboundHosts", "allowed_outbound_hosts"}) read_outbound(in, key, out);
    read_files(in, out, base);
    if (auto pubsub = in.text("messagingPubsub")) out.messaging_pubsub = *pubsub;
    read_wasi_config(in, out);
  }

  void read_wasi_config(MapReader& in, AppSpec& out) {
    const YamlNode* node = in.get("wasiConfig");
    if (node == nullptr) return;
    MapReader config = reader(node, in.path_of("wasiConfig"));
    out.config_store = config.text_or("configurationStore", "");
    out.config_secrets.clear();
    const YamlNode* list = config.sequence("secrets");
    for (std::size_t i = 0; list && i < list->items.size(); ++i) {
      MapReader entry = reader(list->items[i].get(), fmt::format("{}[{}]", config.path_of("secrets"), i));
      ConfigSecret secret{.name = entry.required_text("name"), .store = entry.required_text("secretStore")};
      if (const YamlNode* ref = entry.get("secretKeyRef")) {
        MapReader key_ref = reader(ref, entry.path_of("secretKeyRef"));
        secret.secret = key_ref.required_text("name");
        secret.key = key_ref.text_or("key", secret.secret);
        key_ref.finish();
      } else {
        diagnostics_.error(entry.position(), fmt::format("{} is missing", entry.path_of("secretKeyRef")));
      }
      entry.finish();
      out.config_secrets.push_back(std::move(secret));
    }
    config.finish();
  }

  // `instances: 4` is the most there may be; a map also takes the least.
  void read_instances(MapReader& in, AppSpec& out) {
    const YamlNode* node = in.get("instances");
    if (node == nullptr) return;
    if (node->kind != YamlNode::Kind::kMap) {
      if (auto most = in.integer("instances", 1, 1'000'000)) out.max_instances = static_cast<int>(*most);
      return;
    }
    MapReader instances = reader(node, in.path_of("instances"));
    if (auto least = instances.integer("min", 0, 1'000'000)) out.min_instances = static_cast<int>(*least);
    if (auto most = instances.integer("max", 1, 1'000'000)) out.max_instances = static_cast<int>(*most);
    if (out.min_instances && out.max_instances && *out.min_instances > *out.max_instances) {
      diagnostics_.error(in.position(*node), fmt::format("{}: min is more than max", in.path_of("instances")));
    }
    instances.finish();
  }

  void read_outbound(MapReader& in, std::string_view key, AppSpec& out) {
    const YamlNode* list = in.sequence(key);
    if (list == nullptr) return;
    out.allowed_outbound_hosts.clear();
    for (const auto& item : list->items) {
      if (item->kind != YamlNode::Kind::kScalar) {
        diagnostics_.error(in.position(*item), fmt::format("{} must be a list of texts", in.path_of(key)));
        continue;
      }
      auto parsed = OutboundHosts::parse(std::span(&item->text, 1));
      if (!parsed)
        diagnostics_.error(in.position(*item), fmt::format("{}: {}", in.path_of(key), parsed.error().message));
      out.allowed_outbound_hosts.push_back(item->text);
    }
  }

  void read_files(MapReader& in, AppSpec& out, const std::filesystem::path& base) {
    const YamlNode* list = in.sequence("files");
    if (list == nullptr) return;
    out.files.clear();
    for (std::size_t i = 0; i < list->items.size(); ++i) {
      MapReader file = reader(list->items[i].get(), fmt::format("{}[{}]", in.path_of("files"), i));
      FileMount mount;
      mount.line = list->items[i]->line;
      mount.source = absolute(file.required_text("source"), base);
      mount.destination = file.text_or("destination", file.text_or("path", ""));
      mount.read_only = file.boolean("readOnly").value_or(false);
      if (!mount.destination.starts_with('/')) {
        diagnostics_.error(file.position(), fmt::format("{} must be an absolute path in the guest, like /data",
                                                        file.path_of("destination")));
      }
      file.finish();
      out.files.push_back(std::move(mount));
    }
  }

  std::optional<int> port(MapReader& in, std::string_view key) {
    auto value = in.integer(key, -1, 65535);
    if (!value || *value < 0) return std::nullopt;
    return static_cast<int>(*value);
  }

  // Dapr's convention: an app's folder may have .dapr/resources and .dapr/config.yaml, which beat what is common.
  void use_conventions(AppSpec& app) {
    std::error_code ignored;
    std::filesystem::path dapr = std::filesystem::path(app.app_dir_path) / ".dapr";
    if (std::filesystem::is_directory(dapr / "resources", ignored))
      app.resources_paths = {(dapr / "resources").string()};
    if (std::filesystem::is_regular_file(dapr / "config.yaml", ignored)) {
      app.config_file_path = (dapr / "config.yaml").string();
    }
  }

  AppSpec read_app(MapReader& in, const AppSpec& base) {
    AppSpec app = base;
    app.line = in.line();
    bool own_folder = in.has("appDirPath");
    app.app_dir_path = own_folder ? absolute(in.text_or("appDirPath", "."), folder_) : folder_.string();
    if (own_folder) use_conventions(app);
    read_shared(in, app, app.app_dir_path);
    app.app_id = in.text_or("appID", "");
    if (app.app_id.empty() && own_folder) app.app_id = std::filesystem::path(app.app_dir_path).filename().string();
    if (std::string why = check_app_id(app.app_id); !why.empty()) {
      const YamlNode* node = in.get("appID");
      diagnostics_.error(node ? in.position(*node) : in.position(), fmt::format("{}: {}", in.path_of("appID"), why));
    }
    app.app_channel_address = in.text_or("appChannelAddress", app.app_channel_address);
    app.app_port = port(in, "appPort");
    app.dapr_http_port = port(in, "daprHTTPPort");
    app.dapr_grpc_port = port(in, "daprGRPCPort");
    app.dapr_internal_grpc_port = port(in, "daprInternalGRPCPort");
    app.metrics_port = port(in, "metricsPort");
    for (std::string_view key : {"command", "commands"}) {
      if (const YamlNode* command = in.get(key)) {
        diagnostics_.error(
            in.position(*command),
            fmt::format("{} is not supported: Tandem starts no processes. Use \"module\" with the path of a .wasm",
                        in.path_of(key)));
      }
    }
    if (auto module = in.text("module")) app.module = absolute(*module, app.app_dir_path);
    if (app.module.empty() && !app.app_port && !in.has("command") && !in.has("commands")) {
      diagnostics_.error(in.position(),
                         fmt::format("{} is missing: the path of the app's .wasm", in.path_of("module")));
    }
    in.finish();
    return app;
  }

  void check_apps(const std::vector<AppSpec>& apps) {
    std::map<std::string_view, int> ids;
    std::map<int, std::string> ports;
    for (const AppSpec& app : apps) {
      if (auto [at, fresh] = ids.try_emplace(app.app_id, app.line); !fresh) {
        diagnostics_.error(app.position(), fmt::format("an app \"{}\" is already defined at line {}",
                                                       printable(app.app_id), at->second));
      }
      std::array<std::pair<std::string_view, std::optional<int>>, 4> claimed = {{
          {"appPort", app.module.empty() ? std::nullopt : app.app_port},
          {"daprHTTPPort", app.dapr_http_port},
          {"daprGRPCPort", app.dapr_grpc_port},
          {"daprInternalGRPCPort", app.dapr_internal_grpc_port},
      }};
      for (const auto& [key, number] : claimed) {
        if (!number || *number == 0) continue;
        std::string owner = fmt::format("{} of \"{}\"", key, printable(app.app_id));
        if (auto [at, fresh] = ports.try_emplace(*number, owner); !fresh) {
          diagnostics_.error(app.position(),
                             fmt::format("port {} is used twice: {} and {}", *number, at->second, owner));
        }
      }
    }
  }

  const std::string& file_;
  const std::filesystem::path folder_;
  Diagnostics& diagnostics_;
};

}  // namespace

std::string check_app_id(std::string_view app_id) {
  constexpr std::size_t kMaxLength = 63;
  if (app_id.empty()) return "an app id is missing";
  if (app_id.size() > kMaxLength)
    return fmt::format("\"{}\" is longer than {} characters", printable(app_id), kMaxLength);
  bool good = app_id.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") ==
              std::string_view::npos;
  if (!good)
    return fmt::format("\"{}\" may have only letters, digits, \"-\" and \"_\", and no dots", printable(app_id));
  return {};
}

std::optional<AppFile> parse_app_file(std::string_view text, const std::string& file, Diagnostics& diagnostics) {
  std::size_t errors_before = diagnostics.error_count();
  auto documents = parse_yaml(text, file, diagnostics);
  if (documents.size() > 1) {
    diagnostics.error({file, documents[1]->line, 0}, "only one document is expected in this file");
  }
  if (documents.empty() || documents[0]->kind == YamlNode::Kind::kNull) {
    if (diagnostics.error_count() == errors_before)
      diagnostics.error({file, 0, 0}, "the file is empty; it needs version and apps");
    return std::nullopt;
  }
  try {
    return AppFileReader(file, diagnostics).read(*documents[0]);
  } catch (const std::filesystem::filesystem_error& error) {
    diagnostics.error({file, 0, 0}, fmt::format("cannot work out paths: {}", error.code().message()));
    return std::nullopt;
  }
}

std::optional<AppFile> load_app_file(const std::string& path, Diagnostics& diagnostics) {
  std::string file = path;
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    std::string prefix = path.ends_with('/') ? path : path + "/";
    file = prefix + "tandem.yaml";
    if (::stat(file.c_str(), &info) != 0 && ::stat((prefix + "dapr.yaml").c_str(), &info) == 0)
      file = prefix + "dapr.yaml";
  }
  auto text = read_text_file(file, YamlLimits{}.max_bytes, diagnostics);
  if (!text) return std::nullopt;
  return parse_app_file(*text, file, diagnostics);
}

}  // namespace tandem::config
