#include "cli/run_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "cli/module_file.h"
#include "cli/run_flags.h"
#include "config/app_file.h"
#include "config/diagnostics.h"
#include "config/text.h"

namespace tandem::cli {
namespace {

void refuse_app_flags(FlagReader& reader, const std::string& file) {
  for (const AppFlag& app : app_flags()) {
    if (!reader.flags().given(app.flag)) continue;
    reader.error(fmt::format("{} describes one app and does not go with -f: set {} of the app in {}", app.flag, app.key,
                             config::printable(file)));
  }
}

// Dapr's template gives every app a metrics port; one process has one.
void merge_metrics_port(FlagReader& reader, const config::AppFile& file, RunArguments& out) {
  std::optional<int> chosen;
  for (const config::AppSpec& app : file.apps) {
    if (!app.metrics_port) continue;
    for (std::string_view flag : {"--metrics-port", "--enable-metrics", "--no-metrics"}) {
      if (!reader.flags().given(flag)) continue;
      const bool agrees = flag == "--metrics-port" ? out.options.metrics_port == *app.metrics_port
                                                   : out.options.metrics_port.has_value();
      if (!agrees) {
        reader.error(fmt::format("{} contradicts {}:{}: metricsPort of \"{}\" is {}", flag, app.file, app.line,
                                 app.app_id, *app.metrics_port));
      }
    }
    if (!chosen) {
      chosen = app.metrics_port;
    } else if (*chosen != *app.metrics_port) {
      out.warnings.push_back(fmt::format("{}:{}: metricsPort {} of \"{}\" is not used: a process has one, {}", app.file,
                                         app.line, *app.metrics_port, app.app_id, *chosen));
    }
  }
  if (chosen && out.options.metrics_port) out.options.metrics_port = static_cast<std::uint16_t>(*chosen);
}

// The process logs what the most talkative of its apps asks for.
void merge_log_level(FlagReader& reader, const config::AppFile& file, RunArguments& out) {
  std::optional<LogLevel> lowest;
  bool differ = false;
  for (const config::AppSpec& app : file.apps) {
    const LogLevel level = parse_log_level(app.log_level).value_or(LogLevel::kInfo);
    if (reader.flags().given("--log-level") && !app.log_level.empty() && level != out.log_level) {
      reader.error(fmt::format("--log-level contradicts {}:{}: logLevel of \"{}\" is {}", app.file, app.line,
                               app.app_id, app.log_level));
    }
    differ = differ || (lowest && *lowest != level);
    lowest = lowest ? std::min(*lowest, level) : level;
  }
  if (reader.flags().given("--log-level") || !lowest) return;
  out.log_level = *lowest;
  if (differ) {
    out.warnings.push_back(
        fmt::format("{}: the apps' logLevel differ; a process has one: {}", file.path, log_level_name(*lowest)));
  }
}

void check_support(const config::AppFile& file, config::Diagnostics& diagnostics) {
  for (const config::AppSpec& app : file.apps) {
    if (app.app_protocol != "http" && !app.is_outside()) {
      diagnostics.error(app.position(),
                        fmt::format("appProtocol {} of \"{}\" is not supported yet: this version serves guests over "
                                    "http; an app without a module may speak https, h2c, grpc or grpcs",
                                    app.app_protocol, app.app_id));
    }
    if (app.app_health_probe_timeout > app.app_health_probe_interval) {
      diagnostics.error(
          app.position(),
          fmt::format("appHealthProbeTimeout of \"{}\" is longer than its appHealthProbeInterval", app.app_id));
    }
  }
}

// Said by the line of the app, like every other mistake of the file, and before anything is started.
void check_modules(const config::AppFile& file, config::Diagnostics& diagnostics) {
  for (const config::AppSpec& app : file.apps) {
    if (app.module.empty()) continue;
    if (Status good = check_module_file(app.module); !good) {
      diagnostics.error(app.position(), fmt::format("module of \"{}\": {}", app.app_id, good.error().message));
    }
  }
}

}  // namespace

void read_app_file(FlagReader& reader, const std::string& path, RunArguments& out) {
  refuse_app_flags(reader, path);
  config::Diagnostics diagnostics;
  std::optional<config::AppFile> file = config::load_app_file(path, diagnostics);
  if (file) {
    check_support(*file, diagnostics);
    merge_metrics_port(reader, *file, out);
    merge_log_level(reader, *file, out);
    // A file with other mistakes may name modules that are not meant.
    if (reader.status() && !diagnostics.has_errors()) check_modules(*file, diagnostics);
  }
  if (diagnostics.has_errors()) {
    std::string text = diagnostics.to_string(config::Severity::kError);
    while (text.ends_with('\n')) text.pop_back();
    const std::size_t count = diagnostics.error_count();
    reader.error(count == 1 ? text : fmt::format("{} mistakes:\n{}", count, text));
    return;
  }
  for (const config::Diagnostic& diagnostic : diagnostics.all()) {
    out.warnings.push_back(
        fmt::format("{}:{}: {}", diagnostic.position.file, diagnostic.position.line, diagnostic.message));
  }
  if (file) out.options.apps = std::move(file->apps);
}

}  // namespace tandem::cli
