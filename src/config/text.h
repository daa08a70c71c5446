// Small text functions that every reader of config/ shares. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "config/diagnostics.h"

namespace tandem::config {

std::vector<std::string> split_and_trim(std::string_view text, char separator);

// `text` for a message: control characters escaped and at most 120 bytes of it.
std::string printable(std::string_view text);

// The whole file, at most `max_bytes`; else an error in Diagnostics. Only regular files (behind symlinks too).
std::optional<std::string> read_text_file(const std::string& path, std::size_t max_bytes, Diagnostics& diagnostics);

// $NAME and ${NAME} replaced from this process's environment, unset ones by nothing, as Go's os.ExpandEnv.
std::string expand_environment(std::string_view text);

}  // namespace tandem::config
