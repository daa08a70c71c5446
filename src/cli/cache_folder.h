// Where compiled modules are kept between starts, and what an interrupted start has left there. Any thread; never
// fails.
#pragma once

#include <cstddef>
#include <string>

#include "cli/command.h"
#include "cli/flag_set.h"

namespace tandem::cli {

struct CacheFolder {
  std::string path;  // empty: no cache
  std::string note;  // why there is none although nobody asked for that
};

// --no-cache, --cache-folder, else ${XDG_CACHE_HOME:-$HOME/.cache}/tandem/modules. A relative XDG_CACHE_HOME does not
// count, as its specification says.
CacheFolder choose_cache_folder(const FlagSet& flags, const Environment& environment);

// Removes the files that a process was writing aside when it was killed: it writes for moments, so a file is left over
// when its writer is gone and it is older than a minute, or older than an hour whoever wrote it (the process id may be
// another's by now). Other processes may use the folder meanwhile. A folder that the engine does not use is not
// touched: somebody else's, or open to others. How many files went.
std::size_t remove_leftovers(const std::string& folder);

// Those two flags, for a command's table.
inline constexpr Flag kCacheFolderFlag = {FlagKind::kValue, "--cache-folder", "FOLDER",
                                          "compiled modules (default ~/.cache/tandem/modules)", "The process"};
inline constexpr Flag kNoCacheFlag = {FlagKind::kSwitch, "--no-cache", "", "compile every module anew", "The process"};

}  // namespace tandem::cli
