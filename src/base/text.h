// Text as protocols and settings compare it: ASCII letters without regard to case, blanks around a value, digits.
//
// Plain functions, any thread; none depends on the locale.
#pragma once

#include <string>
#include <string_view>

namespace tandem {

// ASCII letters only; every other byte stays.
constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
std::string to_lower(std::string_view text);

// ASCII letters only.
bool equals_ignoring_case(std::string_view a, std::string_view b);

// Without the spaces, tabs and line ends at both ends.
std::string_view trim(std::string_view text);

// 0 to 15, of either case; -1 for a character that is no hexadecimal digit.
constexpr int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace tandem
