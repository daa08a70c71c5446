// The method of an invocation: a path of the called app, checked and cleaned as Dapr does it, the same for every door.
//
// Plain functions, any thread, never throw.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tandem::invoke {

// Dapr's rule for methods: no '#', '?' or control characters; dot segments are resolved and cannot leave the root.
Result<std::string> normalize_method(std::string_view method);

// Go's path.Clean: no empty, "." or ".." segments and no trailing slash.
std::string clean_path(std::string_view path);

// Percent-encodes what may not stand in a path as it is; slashes stay.
std::string escape_path(std::string_view text);

}  // namespace tandem::invoke
