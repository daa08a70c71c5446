// JSON as text: what an envelope needs of it without making a tree, so that an app's data passes through as it was
// written. Pure functions; any thread; never throw. Nesting deeper than kMaxDepth does not count as JSON.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::pubsub {

// The first JSON value of `text`, white space around it left out; what follows is ignored, as Go's decoder does.
std::optional<std::string_view> first_json_value(std::string_view text);

struct JsonMember {
  std::string name;
  std::string_view value;  // of the text that was read
};
// The members of the object that `text` begins with, in order, the last of equal names kept; none: it is no object.
std::optional<std::vector<JsonMember>> json_members(std::string_view text);

// The characters of a JSON string; none: `value` is something else. `value` is valid JSON.
std::optional<std::string> json_string(std::string_view value);

}  // namespace tandem::pubsub
