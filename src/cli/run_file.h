// The apps of `tandem run -f tandem.yaml`, and what the file and the flags say about each other.
#pragma once

#include <string>

#include "cli/flag_reader.h"
#include "cli/run_arguments.h"

namespace tandem::cli {

// Reads the file into `out`, after the flags of the process have been read. Errors, the file's own and flags that
// contradict it, go to `reader`. Blocks on the file; main's thread.
void read_app_file(FlagReader& reader, const std::string& path, RunArguments& out);

}  // namespace tandem::cli
