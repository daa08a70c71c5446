// The flags of `tandem run`. Those that `dapr run` or daprd have keep their name and their meaning there; those of
// theirs that Tandem has not are listed too, so that the answer says why. Constants.
#pragma once

#include <span>
#include <string_view>

#include "cli/flag_set.h"

namespace tandem::cli {

std::span<const Flag> run_flags();
const CommandText& run_text();

// A flag that describes one app, and the key of tandem.yaml that says the same.
struct AppFlag {
  std::string_view flag;
  std::string_view key;
};
std::span<const AppFlag> app_flags();

}  // namespace tandem::cli
