#include "wire.h"

#include <gtest/gtest.h>

#include <charconv>
#include <cstdint>
#include <limits>

namespace tandem::conformance {
namespace {

constexpr std::uint32_t kNoValue = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kLengthBytes = 4;

void append_length(std::string& body, std::uint32_t length) {
  for (std::size_t i = 0; i < kLengthBytes; ++i) body.push_back(static_cast<char>(length >> (8 * i)));
}

}  // namespace

WireWriter& WireWriter::put(std::string_view value) {
  append_length(body_, static_cast<std::uint32_t>(value.size()));
  body_ += value;
  return *this;
}

WireWriter& WireWriter::put(const std::optional<std::string>& value) {
  if (value) return put(std::string_view(*value));
  append_length(body_, kNoValue);
  return *this;
}

WireWriter& WireWriter::put(const Metadata& metadata) {
  put_count(metadata.size());
  for (const auto& [name, value] : metadata) put(std::string_view(name)).put(std::string_view(value));
  return *this;
}

std::optional<std::string> WireReader::optional() {
  if (rest_.size() < kLengthBytes) {
    ADD_FAILURE() << "the guest's answer ends too early";
    return std::nullopt;
  }
  std::uint32_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    length |= static_cast<std::uint32_t>(static_cast<unsigned char>(rest_[i])) << (8 * i);
  }
  rest_.remove_prefix(kLengthBytes);
  if (length == kNoValue) return std::nullopt;
  EXPECT_LE(length, rest_.size()) << "the guest's answer ends too early";
  std::string value(rest_.substr(0, length));
  rest_.remove_prefix(value.size());
  return value;
}

std::string WireReader::text() {
  const std::optional<std::string> value = optional();
  EXPECT_TRUE(value.has_value()) << "the guest's answer lacks a value";
  return value.value_or("");
}

std::size_t WireReader::count() {
  const std::string digits = text();
  std::size_t count = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  EXPECT_TRUE(error == std::errc() && end == digits.data() + digits.size()) << digits << " is no number of items";
  return count;
}

}  // namespace tandem::conformance
