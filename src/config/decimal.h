// A number as people write it in settings: "64", "1.5", ".5".
//
// Pure; any thread.
#pragma once

#include <string_view>

#include "base/result.h"

namespace tandem::config {

// `digits`: decimal digits and points, nothing else. Fails with kInvalidArgument for a second point.
Result<long double> parse_decimal(std::string_view digits);

}  // namespace tandem::config
