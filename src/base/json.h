// Reading JSON without a document: a request body is checked once, then cut into spans of itself.
//
// Events go to their brokers as the bytes that were sent, so a tree of nodes would only lose them (number precision,
// order of members). parse_json() and parse_json_prefix() are the only functions that take unchecked text; all others
// take spans that these returned, or spans that the cursors below cut out of those. Spans live as long as the text. Any
// thread, never throws. Grammar: RFC 8259, UTF-8 only.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace tandem {

// Go's encoding/json, which reads Dapr's requests, stops at the same depth. The check does not recurse.
inline constexpr std::size_t kMaxJsonDepth = 10'000;

enum class JsonKind { kNull, kBool, kNumber, kString, kArray, kObject };

// The one value in `text` without the white space around it. Fails with kInvalidArgument, in the words of
// Go's json.Unmarshal.
Result<std::string_view> parse_json(std::string_view text);
// The value that `text` begins with, whatever follows it: so Go's json.Decoder reads most bodies of Dapr's
// API, and fails.
Result<std::string_view> parse_json_prefix(std::string_view text);

JsonKind json_kind(std::string_view value);

// The text of a string value, unescaped. Half a surrogate pair becomes U+FFFD.
std::string json_text(std::string_view string_value);

// Iterates over the elements of an array value.
class JsonElements final {
 public:
  explicit JsonElements(std::string_view array) : text_(array) {}
  // False at the end.
  bool next(std::string_view& element);

 private:
  std::string_view text_;
  std::size_t at_ = 1;
};

// Iterates over the members of an object value, duplicates included.
class JsonMembers final {
 public:
  explicit JsonMembers(std::string_view object) : text_(object) {}
  bool next(std::string& name, std::string_view& value);

 private:
  std::string_view text_;
  std::size_t at_ = 1;
};

// What Go reads into a string field: a string, or nothing for null. `field` names it in the error.
Result<std::string> json_string_field(std::string_view value, std::string_view field);
// The same for a map of strings.
Result<Metadata> json_string_map_field(std::string_view value, std::string_view field);

// Appends `text` as a JSON string, escaped as Go does by default (also <, > and &); broken UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);
// Appends {"name":"value",…}.
void append_json_map(std::string& out, const Metadata& map);

}  // namespace tandem
