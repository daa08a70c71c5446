#include "cli/serve.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "base/log.h"
#include "base/version.h"
#include "cli/cache_folder.h"
#include "cli/command.h"
#include "cli/start_code.h"
#include "cli/stop_signals.h"
#include "server/reloading_server.h"

namespace tandem::cli {
namespace {

constexpr std::string_view kScope = "tandem.cli";
constexpr std::chrono::milliseconds kSettled{1000};

// As it goes into a URL: an address that stands for all of them is answered on loopback too.
std::string url(std::string_view address, std::uint16_t port) {
  if (address == "0.0.0.0") return fmt::format("http://127.0.0.1:{}", port);
  if (address == "::") return fmt::format("http://[::1]:{}", port);
  if (address.find(':') != std::string_view::npos) return fmt::format("http://[{}]:{}", address, port);
  return fmt::format("http://{}:{}", address, port);
}

// For a person at a terminal; programs find the same in the log lines of the server.
void greet(const server::Server& server, const std::string& dapr_address) {
  std::string text = "\n";
  for (const server::AppAddress& app : server.addresses()) {
    text += fmt::format("  {:<20} {:<28}", app.app_id, app.app_port == 0 ? "" : url(app.address, app.app_port));
    if (app.dapr_http_port != 0) text += fmt::format(" Dapr API {}", url(dapr_address, app.dapr_http_port));
    if (app.dapr_grpc_port != 0) text += fmt::format(", gRPC port {}", app.dapr_grpc_port);
    text += '\n';
  }
  if (server.metrics_port() != 0) {
    text += fmt::format("  {:<20} {}/metrics\n", "metrics", url(dapr_address, server.metrics_port()));
  }
  print(text + "\n  Ctrl-C stops.\n\n");
}

// Where the log goes: a file that is appended to, and stays open until the process ends, or standard output.
Result<int> open_log(const std::string& path) {
  if (path.empty()) return STDOUT_FILENO;
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd >= 0) return fd;
  return fail(Code::kInvalidArgument, fmt::format("cannot write the log to {}: {}", path, std::strerror(errno)));
}

}  // namespace

int serve(RunArguments arguments) {
  auto signals = StopSignals::make();
  if (!signals) {
    print_error(signals.error().message);
    return 1;
  }
  StopSignals& stop = **signals;
  auto log_fd = open_log(arguments.log_file);
  if (!log_fd) {
    print_error(log_fd.error().message);
    return 1;
  }
  const bool single = arguments.options.apps.size() == 1;
  const Logger log({.level = arguments.log_level,
                    .format = arguments.log_format,
                    .app_id = single ? arguments.options.apps.front().app_id : "",
                    .version = std::string(kVersion),
                    .fd = *log_fd});
  for (const std::string& note : arguments.notes) log.info(kScope, note);
  for (const std::string& warning : arguments.warnings) log.warn(kScope, warning);

  if (const std::size_t count = remove_leftovers(arguments.options.cache_folder); count > 0) {
    log.debug(kScope, "files that an interrupted start had left among the compiled modules are removed",
              {{"count", std::to_string(count)}, {"folder", arguments.options.cache_folder}});
  }
  const std::string dapr_address = arguments.options.dapr_listen_address;
  // A client that asks for the stop is not made to wait, as with daprd.
  std::atomic<bool> asked_by_client = false;
  auto server = server::ReloadingServer::start(
      std::move(arguments.options), log,
      {.stop =
           [&] {
             asked_by_client = true;
             stop.request_stop();
           },
       .reload = [&] { stop.request_reload(); },
       .accepting =
           [&] { stop.expect_stop([log] { log.info(kScope, "still stopping: a second signal stops at once"); }); }});
  if (!server) {
    print_error(server.error().message);
    return 1;
  }
  (*server)->current().announce();
  if (arguments.log_format == LogFormat::kText && ::isatty(STDOUT_FILENO) == 1) {
    greet((*server)->current(), dapr_address);
  }
  // Not at once: the first requests need some of it again, and are not to wait for the page faults.
  if (!stop.wait_for(kSettled)) forget_start_code();
  stop.wait([&] {
    if (const Status reloaded = (*server)->reload(); !reloaded) print_error(reloaded.error().message);
  });
  if (arguments.hold_stop && !asked_by_client) (*server)->current().hold_stop(*arguments.hold_stop);
  log.info(kScope, "stopping: requests in flight may finish");
  const bool orderly = (*server)->stop();
  log.info(kScope, orderly ? "stopped" : "stopped, and something had to be cut off");
  server->reset();
  return orderly ? 0 : 1;
}

}  // namespace tandem::cli
