// Where compiled modules are kept between starts. Pure but for the environment it is given; any thread; never fails.
#pragma once

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

// Those two flags, for a command's table.
inline constexpr Flag kCacheFolderFlag = {FlagKind::kValue, "--cache-folder", "FOLDER",
                                          "compiled modules (default ~/.cache/tandem/modules)", "The process"};
inline constexpr Flag kNoCacheFlag = {FlagKind::kSwitch, "--no-cache", "", "compile every module anew", "The process"};

}  // namespace tandem::cli
