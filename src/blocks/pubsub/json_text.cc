#include "blocks/pubsub/json_text.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <cstdint>

namespace tandem::pubsub {
namespace {

using boost::json::error_code;
using boost::json::string_view;

// Takes everything: only validity matters.
struct Ignore {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) { return true; }
  bool on_object_end(std::size_t, error_code&) { return true; }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t, error_code&) { return true; }
  bool on_key_part(string_view, std::size_t, error_code&) { return true; }
  bool on_key(string_view, std::size_t, error_code&) { return true; }
  bool on_string_part(string_view, std::size_t, error_code&) { return true; }
  bool on_string(string_view, std::size_t, error_code&) { return true; }
  bool on_number_part(string_view, error_code&) { return true; }
  bool on_int64(std::int64_t, string_view, error_code&) { return true; }
  bool on_uint64(std::uint64_t, string_view, error_code&) { return true; }
  bool on_double(double, string_view, error_code&) { return true; }
  bool on_bool(bool, error_code&) { return true; }
  bool on_null(error_code&) { return true; }
  bool on_comment_part(string_view, error_code&) { return true; }
  bool on_comment(string_view, error_code&) { return true; }
};

constexpr std::string_view kSpace = " \t\r\n";

void skip_space(std::string_view text, std::size_t& at) {
  at = std::min(text.find_first_not_of(kSpace, at), text.size());
}

// The three below move `at` past something of valid JSON.
void skip_string(std::string_view text, std::size_t& at) {
  for (++at; text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  ++at;
}

void skip_value(std::string_view text, std::size_t& at) {
  std::size_t depth = 0;
  do {
    const char c = text[at];
    if (c == '"') {
      skip_string(text, at);
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    ++at;
    if (depth == 0 && c != '}' && c != ']') at = std::min(text.find_first_of(",]} \t\r\n", at), text.size());
  } while (depth > 0);
}

// How many bytes of UTF-8 stand at `at`; 0: they are not valid.
std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return 0;
  }
  const unsigned second = byte(1);
  const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool not_a_character = (first == 0xed && second >= 0xa0) || (first == 0xf4 && second >= 0x90);
  return overlong || not_a_character ? 0 : length;
}

}  // namespace

std::optional<std::string_view> first_json_value(std::string_view text) {
  std::size_t begin = 0;
  skip_space(text, begin);
  if (begin == text.size()) return std::nullopt;
  boost::json::parse_options options;
  options.max_depth = kMaxDepth;
  boost::json::basic_parser<Ignore> parser(options);
  error_code failure;
  std::size_t end = 0;
  try {
    end = begin + parser.write_some(false, text.data() + begin, text.size() - begin, failure);
  } catch (const std::exception&) {
    return std::nullopt;
  }
  if (failure || !parser.done()) return std::nullopt;
  const std::size_t last = text.substr(0, end).find_last_not_of(kSpace);
  return text.substr(begin, last + 1 - begin);
}

void append_json_string(std::string& to, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  to.push_back('"');
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const std::size_t length = utf8_length(text, at);
    if (length == 0) {
      to.append("\\ufffd");
      ++at;
      continue;
    }
    if (length > 1) {
      to.append(text.substr(at, length));
    } else if (c == '"' || c == '\\') {
      to.push_back('\\');
      to.push_back(c);
    } else if (c == '\n') {
      to.append("\\n");
    } else if (c == '\r') {
      to.append("\\r");
    } else if (c == '\t') {
      to.append("\\t");
    } else if (static_cast<unsigned char>(c) < 0x20) {
      to.append("\\u00");
      to.push_back(kHex[static_cast<unsigned char>(c) >> 4]);
      to.push_back(kHex[c & 15]);
    } else {
      to.push_back(c);
    }
    at += length;
  }
  to.push_back('"');
}

std::optional<std::vector<JsonMember>> json_members(std::string_view text) {
  const std::optional<std::string_view> object = first_json_value(text);
  if (!object || object->front() != '{') return std::nullopt;
  std::vector<JsonMember> members;
  std::size_t at = 1;
  while (true) {
    skip_space(*object, at);
    if ((*object)[at] == '}') return members;
    if ((*object)[at] == ',') {
      ++at;
      skip_space(*object, at);
    }
    std::size_t begin = at;
    skip_string(*object, at);
    std::string name = json_string(object->substr(begin, at - begin)).value_or("");
    skip_space(*object, at);
    ++at;  // the colon
    skip_space(*object, at);
    begin = at;
    skip_value(*object, at);
    const std::string_view value = object->substr(begin, at - begin);
    const auto same = std::ranges::find(members, name, &JsonMember::name);
    if (same != members.end()) {
      same->value = value;
    } else {
      members.push_back({std::move(name), value});
    }
  }
}

std::optional<std::string> json_string(std::string_view value) {
  if (value.size() < 2 || value.front() != '"') return std::nullopt;
  const std::string_view inside = value.substr(1, value.size() - 2);
  if (inside.find('\\') == std::string_view::npos) return std::string(inside);
  error_code failure;
  const boost::json::value parsed = boost::json::parse(string_view(value.data(), value.size()), failure);
  if (failure || !parsed.is_string()) return std::nullopt;
  return std::string(parsed.get_string().data(), parsed.get_string().size());
}

}  // namespace tandem::pubsub
