// The version that Tandem calls itself by: in its log lines, its metadata and `tandem version`. The same as that of the
// project in CMakeLists.txt; an end-to-end test compares them.
#pragma once

#include <string_view>

namespace tandem {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace tandem
