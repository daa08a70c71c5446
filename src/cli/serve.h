// Serves until it is told to stop: what `tandem run` and `tandem daprd` do once their arguments are read.
//
// Called once, on main's thread, before any other thread starts. Returns the exit status; what is wrong goes to
// standard error and to the log.
#pragma once

#include <string_view>

#include "cli/run_arguments.h"

namespace tandem::cli {

int serve(RunArguments arguments);

}  // namespace tandem::cli
