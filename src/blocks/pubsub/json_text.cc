#include "blocks/pubsub/json_text.h"

#include <algorithm>

#include "base/json.h"

namespace tandem::pubsub {

std::optional<std::string_view> first_json_value(std::string_view text) {
  const Result<std::string_view> value = parse_json_prefix(text);
  return value ? std::optional(*value) : std::nullopt;
}

std::optional<std::vector<JsonMember>> json_members(std::string_view text) {
  // Most texts that are no object are empty: what is wrong with them is nobody's question.
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos || text[begin] != '{') return std::nullopt;
  const std::optional<std::string_view> object = first_json_value(text);
  if (!object) return std::nullopt;
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
