#include "base/base64.h"

#include <array>
#include <cstdint>

namespace tandem {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<std::int8_t, 256> make_reverse() {
  std::array<std::int8_t, 256> reverse{};
  reverse.fill(-1);
  for (int i = 0; i < 64; ++i) reverse[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
  return reverse;
}

constexpr std::array<std::int8_t, 256> kReverse = make_reverse();

}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  std::size_t at = 0;
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])); };
  for (; at + 3 <= bytes.size(); at += 3) {
    const std::uint32_t group = byte(at) << 16 | byte(at + 1) << 8 | byte(at + 2);
    text.push_back(kAlphabet[group >> 18]);
    text.push_back(kAlphabet[group >> 12 & 63]);
    text.push_back(kAlphabet[group >> 6 & 63]);
    text.push_back(kAlphabet[group & 63]);
  }
  if (const std::size_t rest = bytes.size() - at; rest > 0) {
    const std::uint32_t group = byte(at) << 16 | (rest == 2 ? byte(at + 1) << 8 : 0);
    text.push_back(kAlphabet[group >> 18]);
    text.push_back(kAlphabet[group >> 12 & 63]);
    text.push_back(rest == 2 ? kAlphabet[group >> 6 & 63] : '=');
    text.push_back('=');
  }
  return text;
}

Result<std::string> base64_decode(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t group = 0;
  int digits = 0;
  int padding = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n' || c == '\r') continue;
    if (c == '=') {
      if (digits < 2 || ++padding + digits > 4) return fail(Code::kInvalidArgument, "base64: misplaced padding");
      continue;
    }
    const std::int8_t value = kReverse[static_cast<unsigned char>(c)];
    if (value < 0 || padding > 0) {
      return fail(Code::kInvalidArgument, "base64: illegal character at offset " + std::to_string(i));
    }
    group = group << 6 | static_cast<std::uint32_t>(value);
    if (++digits == 4) {
      bytes.push_back(static_cast<char>(group >> 16));
      bytes.push_back(static_cast<char>(group >> 8 & 0xff));
      bytes.push_back(static_cast<char>(group & 0xff));
      group = 0;
      digits = 0;
    }
  }
  if (digits == 0 && padding == 0) return bytes;
  if (digits + padding != 4) return fail(Code::kInvalidArgument, "base64: the text ends in the middle of a group");
  group <<= 6 * padding;
  bytes.push_back(static_cast<char>(group >> 16));
  if (padding == 1) bytes.push_back(static_cast<char>(group >> 8 & 0xff));
  return bytes;
}

}  // namespace tandem
