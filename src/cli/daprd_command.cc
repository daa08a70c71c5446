// `tandem daprd`: reads daprd's arguments and serves.

#include <fmt/format.h>

#include <utility>

#include "base/version.h"
#include "cli/command.h"
#include "cli/daprd_arguments.h"
#include "cli/daprd_flags.h"
#include "cli/serve.h"

namespace tandem::cli {

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
  auto parsed = daprd_arguments(*flags, process_environment());
  if (!parsed) {
    print_error(parsed.error().message);
    return 1;
  }
  return serve(std::move(*parsed));
}

}  // namespace tandem::cli
