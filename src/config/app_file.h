// AppFile: tandem.yaml, the apps of one multi-app run.
//
// Dapr's multi-app template (https://docs.dapr.io/developing-applications/local-development/multi-app-dapr-run/) has
// the words; Tandem adds those for a guest (module, isolation, instances, limits, grants). `common` is already merged
// into each app. Relative paths are made absolute as Dapr does: those of `common` and appDirPath against the file's
// folder, all others of an app against its appDirPath, which without the key is the file's folder. Plain values; any
// thread while nobody writes. Unknown keys are errors with a suggestion; nothing throws.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.h"

namespace tandem::config {

enum class Isolation {
  kInstance,  // instances are pooled and reused
  kRequest,   // a fresh instance a request
};

// A folder or file of the host that the guest sees.
struct FileMount {
  std::string source;
  std::string destination;
  bool read_only = false;
  int line = 0;
};

// A secret that wasi:config gives the guest under a name.
struct ConfigSecret {
  std::string name;
  std::string store;
  std::string secret;
  std::string key;  // of the secret
};

struct AppSpec {
  std::string app_id;
  std::string app_dir_path;
  std::string module;  // path of the .wasm; empty only for an app outside the process (app_port alone)
  std::vector<std::string> resources_paths;
  std::string config_file_path;
  std::vector<std::string> more_config_files;  // after that one; their keys come over its own
  std::string app_protocol = "http";
  std::string app_channel_address = "127.0.0.1";
  // Ports: nullopt means that the product picks one, 0 that the system does.
  std::optional<int> app_port;
  std::optional<int> dapr_http_port;
  std::optional<int> dapr_grpc_port;
  std::optional<int> dapr_internal_grpc_port;
  std::optional<int> metrics_port;
  std::map<std::string, std::string> env;
  std::string log_level;            // empty: the process's
  std::string app_log_destination;  // "console", "file", "fileAndConsole" or empty
  // Bytes; nullopt means Dapr's default (4 MiB).
  std::optional<std::uint64_t> dapr_http_max_request_size;
  std::optional<std::uint64_t> dapr_http_read_buffer_size;
  std::optional<int> app_max_concurrency;
  bool enable_app_health_check = false;
  std::string app_health_check_path = "/healthz";
  std::chrono::nanoseconds app_health_probe_interval = std::chrono::seconds(5);
  std::chrono::nanoseconds app_health_probe_timeout = std::chrono::milliseconds(500);
  int app_health_threshold = 3;
  // A line in the log for each call of the Dapr API; not given: as the Configuration says.
  std::optional<bool> enable_api_logging;
  // What an app outside the process is asked at its start.
  bool ask_for_config = true;
  bool ask_for_subscriptions = true;

  // An app outside the process: it has no module, and a port when it can be called.
  bool is_outside() const { return module.empty(); }

  Isolation isolation = Isolation::kInstance;
  std::optional<int> min_instances;
  std::optional<int> max_instances;
  std::optional<std::uint64_t> instance_max_requests;
  std::optional<std::chrono::nanoseconds> instance_max_age;
  std::optional<std::uint64_t> memory_limit_bytes;
  std::optional<std::chrono::nanoseconds> request_timeout;
  // Spin's form, already known to parse: see outbound_hosts.h.
  std::vector<std::string> allowed_outbound_hosts;
  std::vector<FileMount> files;
  // What the standards' interfaces, which name no component, mean by default.
  std::string messaging_pubsub;              // where messaging sends; empty: the first of the app's pubsubs
  std::string config_store;                  // a configuration store behind wasi:config; empty: none
  std::vector<ConfigSecret> config_secrets;  // secrets behind wasi:config

  std::string file;
  int line = 0;
  Position position() const { return {file, line, 0}; }
};

struct AppFile {
  std::string path;
  std::vector<AppSpec> apps;
};

// `path` may be a folder: then its tandem.yaml, else its dapr.yaml. Nullopt (and an error) when it cannot be read at
// all.
std::optional<AppFile> load_app_file(const std::string& path, Diagnostics& diagnostics);
// `file` is the path that messages show and that relative paths are resolved against.
std::optional<AppFile> parse_app_file(std::string_view text, const std::string& file, Diagnostics& diagnostics);

// Empty when `app_id` is one that Dapr takes, else why not.
std::string check_app_id(std::string_view app_id);

}  // namespace tandem::config
