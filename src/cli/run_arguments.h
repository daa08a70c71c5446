// From the arguments of `tandem run` to what the server is asked to do.
//
// A function of its arguments and of the environment that it is given, and of the files they name: it looks at the
// module and reads the tandem.yaml, and changes nothing. Main's thread. Fails with kInvalidArgument or kNotFound; the
// message has a line for every mistake, also for all of a tandem.yaml's.
#pragma once

#include <chrono>
#include <optional>
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
  std::string log_file;  // empty: standard output
  // For the log, once there is one.
  std::vector<std::string> warnings;
  std::vector<std::string> notes;
  // After a stop signal: how long to serve on, while the app is healthy. Nullopt: not at all.
  std::optional<std::chrono::nanoseconds> hold_stop;
};

// --help was asked for.
struct HelpText {
  std::string text;
};

Result<std::variant<HelpText, RunArguments>> parse_run_arguments(Arguments arguments, const Environment& environment);

}  // namespace tandem::cli
