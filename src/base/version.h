// The version that Tandem calls itself by: in its log lines and in `tandem version`. The same as that of the project in
// CMakeLists.txt; an end-to-end test compares them. kDaprVersion is that of the Dapr whose API is served, and what the
// metadata API says: an SDK that asks whether a sidecar is new enough for a call compares it with Dapr's versions.
#pragma once

#include <string_view>

namespace tandem {

inline constexpr std::string_view kVersion = "0.1.0";
inline constexpr std::string_view kDaprVersion = "1.18.1";

}  // namespace tandem
