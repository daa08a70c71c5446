// `tandem run`: reads the arguments and serves.

#include <variant>

#include "cli/command.h"
#include "cli/run_arguments.h"
#include "cli/serve.h"

namespace tandem::cli {

int run_command(Arguments arguments) {
  auto parsed = parse_run_arguments(arguments, process_environment());
  if (!parsed) {
    print_error(parsed.error().message);
    return 1;
  }
  if (const auto* help = std::get_if<HelpText>(&*parsed)) {
    print(help->text);
    return 0;
  }
  return serve(std::move(std::get<RunArguments>(*parsed)));
}

}  // namespace tandem::cli
