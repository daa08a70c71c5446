// `tandem daprd`: reads daprd's arguments and serves.

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include "base/version.h"
#include "cli/command.h"
#include "cli/daprd_arguments.h"
#include "cli/daprd_flags.h"
#include "cli/flag_values.h"
#include "cli/outbound_wait.h"
#include "cli/serve.h"

namespace tandem::cli {
namespace {

// As with daprd, status 0 also when the time is over: whoever waits goes on then.
int wait_for_sidecar(const std::string& port_text) {
  const auto port = parse_port(port_text);
  if (!port) {
    print_error(fmt::format("--dapr-http-port: {}", port.error().message));
    return 1;
  }
  wait_until_outbound_ready(*port, [](std::string_view line) { fmt::print(stderr, "{}\n", line); });
  return 0;
}

}  // namespace

int daprd_command(Arguments arguments) {
  const auto flags = DaprdFlags::parse(arguments);
  if (!flags) {
    print_error(flags.error().message);
    return 1;
  }
  if (flags->wants_help()) {
    print(daprd_help());
    return 0;
  }
  if (flags->is_on("version")) {
    print(fmt::format("{}\n", kVersion));
    return 0;
  }
  if (flags->is_on("build-info")) {
    print(fmt::format("Version: {}\nProgram: tandem\n", kVersion));
    return 0;
  }
  if (flags->is_on("wait")) return wait_for_sidecar(flags->text("dapr-http-port"));
  auto parsed = daprd_arguments(*flags, process_environment());
  if (!parsed) {
    print_error(parsed.error().message);
    return 1;
  }
  return serve(std::move(*parsed));
}

}  // namespace tandem::cli
