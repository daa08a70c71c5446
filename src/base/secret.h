// Compares a secret with what somebody says it is.
//
// Any thread, never throws.
#pragma once

#include <cstddef>
#include <string_view>

namespace tandem {

// Takes the same time for every `given` of the right length.
inline bool is_secret(std::string_view given, std::string_view expected) {
  if (given.size() != expected.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < given.size(); ++i) {
    difference |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(expected[i]);
  }
  return difference == 0;
}

}  // namespace tandem
