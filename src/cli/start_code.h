// The code and constants that only the start of a process needs: flags, YAML, set-up of libraries, compilation.
#pragma once

#include <cstddef>

namespace tandem::cli {

// Lets go of the resident pages of the program's and its libraries' unchanging segments, once the process serves. What
// is needed again is mapped again from the page cache, a page fault for each 64 KiB; the rest is memory that nobody
// pays for. The number of bytes that these segments have, resident or not. Any thread, never fails.
std::size_t forget_start_code();

}  // namespace tandem::cli
