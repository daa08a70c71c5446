// Base64 with the standard alphabet and padding (RFC 4648, section 4). Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tandem {

std::string base64_encode(std::string_view bytes);

// Fails with kInvalidArgument on any other character, wrong padding or a wrong length. Line breaks are skipped.
Result<std::string> base64_decode(std::string_view text);

}  // namespace tandem
