// From daprd's flags and environment to what the server is asked to do.
//
// A function of its arguments and of the environment that it is given; it changes nothing. Main's thread. Fails with
// kInvalidArgument or kUnimplemented; the message has a line for every mistake.
#pragma once

#include "cli/daprd_flags.h"
#include "cli/run_arguments.h"

namespace tandem::cli {

Result<RunArguments> daprd_arguments(const DaprdFlags& flags, const Environment& environment);

}  // namespace tandem::cli
