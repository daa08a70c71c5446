// The command line: `tandem run`, `tandem inspect`, `tandem version` and help for each.
//
// Called once, by main, on its thread; returns the exit status: 0, or 1 for whatever is wrong. What is wrong goes to
// standard error as "tandem: …". Nothing throws.
#pragma once

namespace tandem::cli {

int run(int argc, char** argv);

}  // namespace tandem::cli
