#include "blocks/pubsub/json_text.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <cstdint>

#include "base/json.h"

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

}  // namespace

std::optional<std::string_view> first_json_value(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return std::nullopt;
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

std::optional<std::vector<JsonMember>> json_members(std::string_view text) {
  const std::optional<std::string_view> object = first_json_value(text);
  if (!object || object->front() != '{') return std::nullopt;
  std::vector<JsonMember> members;
  JsonMembers all(*object);
  std::string name;
  std::string_view value;
  while (all.next(name, value)) {
    const auto same = std::ranges::find(members, name, &JsonMember::name);
    if (same != members.end()) {
      same->value = value;
    } else {
      members.push_back({name, value});
    }
  }
  return members;
}

std::optional<std::string> json_string(std::string_view value) {
  if (!value.starts_with('"')) return std::nullopt;
  return json_text(value);
}

}  // namespace tandem::pubsub
