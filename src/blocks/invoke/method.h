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

// The path that an app is asked for, without its first slash: as daprd parses a URL that ends in the method. So "%2F"
// in a method stays an encoded slash, and what may not stand in a path is encoded. Fails with kInvalidArgument, in Go's
// words, for a percent sign without two hexadecimal digits.
Result<std::string> path_of_method(std::string_view method);

// How a request for an app names its method.
enum class MethodIn {
  kPath,     // as the path of a URL
  kEscaped,  // with all of it escaped: who gets the request reads the method out of it again
};
// The path, with its first slash, of a request for the app at `authority`. Fails as path_of_method() does, and says for
// which URL.
Result<std::string> request_path(std::string_view method, std::string_view authority, MethodIn form);

// Percent-encodes what may not stand in a path as it is, and every percent sign; slashes stay.
std::string escape_path(std::string_view text);

}  // namespace tandem::invoke
