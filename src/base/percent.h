// Takes the percent-encoding of URLs (RFC 3986, 2.1) off.
//
// Plain functions, any thread. What comes out may hold any byte, NUL too: whoever takes it checks it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tandem {

// What a plus sign stands for: itself in a path, a space in a query.
enum class Plus { kLiteral, kSpace };

// Fails with kInvalidArgument, in Go's words, for a percent sign that no two hexadecimal digits follow.
Result<std::string> percent_decode(std::string_view text, Plus plus = Plus::kLiteral);

// The same, but such a percent sign stays what it is.
std::string percent_decode_leniently(std::string_view text, Plus plus = Plus::kLiteral);

}  // namespace tandem
