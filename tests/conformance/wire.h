// The form in which the test guest conformance_calls takes arguments and gives results; tests/guests/conformance_calls
// says it: fields, each a length of 32 bits (little-endian; all ones: no value) and so many bytes. A list is a field
// with the number of its items in decimal, and the fields of each item.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"

namespace tandem::conformance {

class WireWriter final {
 public:
  WireWriter& put(std::string_view value);
  WireWriter& put(const std::optional<std::string>& value);
  WireWriter& put_count(std::size_t count) { return put(std::string_view(std::to_string(count))); }
  // Names and values, as a list.
  WireWriter& put(const Metadata& metadata);
  std::string take() { return std::move(body_); }

 private:
  std::string body_;
};

// Of a body that ends too early or is no such form, what is missing fails the test and reads as no value.
class WireReader final {
 public:
  // A view of `body`.
  explicit WireReader(std::string_view body) : rest_(body) {}

  std::optional<std::string> optional();
  std::string text();
  std::size_t count();

 private:
  std::string_view rest_;
};

}  // namespace tandem::conformance
