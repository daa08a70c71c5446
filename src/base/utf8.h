// UTF-8 as Unicode's table 3-7 has it. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace tandem {

// The length of the well-formed sequence at the start of `text`, or 0.
std::size_t utf8_length(std::string_view text);

bool is_utf8(std::string_view text);

}  // namespace tandem
