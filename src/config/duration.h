// Durations as Go writes them: "1h30m", "500ms", "1.5s". Pure; any thread; fails with kInvalidArgument.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tandem::config {

// Go's time.ParseDuration, for values that fit 64 bits of nanoseconds (about 292 years).
Result<std::chrono::nanoseconds> parse_duration(std::string_view text);

// The same, and a plain number means seconds: what Dapr's component metadata takes for a duration.
Result<std::chrono::nanoseconds> parse_duration_or_seconds(std::string_view text);

// As Go prints a duration: "1h30m0s", "5s", "500ms", "0s". Below a microsecond it is cut off.
std::string format_duration(std::chrono::nanoseconds duration);

}  // namespace tandem::config
