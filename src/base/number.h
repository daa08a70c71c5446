// A number that is the whole of a text.
//
// Any thread, never throws; none depends on the locale.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace tandem {

// Decimal digits, with a minus sign where T has one, and for a T with a fraction what std::from_chars takes. Nothing
// for anything else, a plus sign and blanks too, and for a number that T cannot hold.
template <class T>
std::optional<T> parse_number(std::string_view text) {
  T number{};
  const char* const last = text.data() + text.size();
  const auto [end, failure] = std::from_chars(text.data(), last, number);
  if (failure != std::errc() || end != last) return std::nullopt;
  return number;
}

}  // namespace tandem
