// A JSON value as Go writes what it has read, which is how daprd keeps the values that come as JSON: no white space,
// members in the order of their names and the last of equal ones, "<" as "\u003c", 1.0 as 1.
//
// No digit is lost: a whole number stays as it was sent, where Go rounds one of more than 15 digits to a double. What
// lies deeper than kMaxNormalDepth brackets stays as it was sent, too. Pure function, any thread, never throws.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tandem {

inline constexpr std::size_t kMaxNormalDepth = 64;

// `value` comes from parse_json() or one of its cursors. Fails with kInvalidArgument for a number that no double can
// come near, as Go does.
Result<std::string> normal_json(std::string_view value);

}  // namespace tandem
