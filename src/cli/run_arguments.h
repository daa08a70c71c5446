// From the arguments of `tandem run` to what the server is asked to do.
//
// A function of its arguments and of the environment that it is given, and of the files they name: it looks at the
// module and reads the tandem.yaml, and changes nothing. Main's thread. Fails with kInvalidArgument or kNotFound; the
// message has a line for every mistake, also for all of a tandem.yaml's.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "cli/command.h"
#include "server/process_options.h"

namespace tandem::cli {

struct RunArguments {
  server::ProcessOptions options;
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
  // For the log, once there is one.
  std::vector<std::string> warnings;
};

// --help was asked for.
struct HelpText {
  std::string text;
};

Result<std::variant<HelpText, RunArguments>> parse_run_arguments(Arguments arguments, const Environment& environment);

}  // namespace tandem::cli
