#include "cli/cache_folder.h"

#include <filesystem>

namespace tandem::cli {

CacheFolder choose_cache_folder(const FlagSet& flags, const Environment& environment) {
  if (flags.is_on("--no-cache")) return {};
  if (auto folder = flags.value("--cache-folder")) return {*folder, {}};
  std::filesystem::path base = environment("XDG_CACHE_HOME");
  if (!base.is_absolute()) {
    const std::string home = environment("HOME");
    if (home.empty()) {
      return {{}, "compiled modules are not kept: HOME is not set; --cache-folder names a folder for them"};
    }
    base = std::filesystem::path(home) / ".cache";
  }
  return {(base / "tandem" / "modules").string(), {}};
}

}  // namespace tandem::cli
