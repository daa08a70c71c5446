#include "base/uuid.h"

#include <array>
#include <random>

namespace tandem {

std::uint64_t random_bits() {
  thread_local std::mt19937_64 generator = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device(), device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  return generator();
}

std::string random_uuid() {
  static constexpr char kHex[] = "0123456789abcdef";
  std::array<std::uint64_t, 2> bits = {random_bits(), random_bits()};
  bits[0] = (bits[0] & ~0xf000ULL) | 0x4000ULL;        // version 4
  bits[1] = (bits[1] & ~(3ULL << 62)) | (1ULL << 63);  // the RFC's variant
  std::string text;
  text.reserve(36);
  for (int nibble = 0; nibble < 32; ++nibble) {
    if (nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20) text.push_back('-');
    const std::uint64_t word = bits[static_cast<std::size_t>(nibble) / 16];
    text.push_back(kHex[(word >> (60 - 4 * (nibble % 16))) & 0xf]);
  }
  return text;
}

}  // namespace tandem
