#include "blocks/outbox/go_text.h"

#include <array>
#include <charconv>
#include <map>
#include <utility>

#include "base/json.h"

namespace tandem::outbox {
namespace {

// strconv.FormatFloat(number, 'g', -1, 64)
std::string number_text(std::string_view value) {
  double number = 0;
  const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (failure != std::errc()) return std::string(value);
  std::array<char, 64> digits{};
  const auto written =
      std::to_chars(digits.data(), digits.data() + digits.size(), number, std::chars_format::scientific);
  const std::string_view scientific(digits.data(), written.ptr);
  const std::size_t mark = scientific.find('e');
  // A plus sign is no part of what from_chars() reads.
  std::string_view power = scientific.substr(mark + 1);
  if (power.starts_with('+')) power.remove_prefix(1);
  int exponent = 0;
  std::from_chars(power.data(), power.data() + power.size(), exponent);
  if (exponent < -4 || exponent >= 6) return std::string(scientific);
  const auto fixed = std::to_chars(digits.data(), digits.data() + digits.size(), number, std::chars_format::fixed);
  return {digits.data(), fixed.ptr};
}

// What lies deeper stays JSON.
constexpr int kMaxDepth = 64;

std::string text_of(std::string_view value, int depth) {
  if (depth > kMaxDepth) return std::string(value);
  switch (json_kind(value)) {
    case JsonKind::kNull: return "<nil>";
    case JsonKind::kBool: return std::string(value);
    case JsonKind::kNumber: return number_text(value);
    case JsonKind::kString: return json_text(value);
    case JsonKind::kArray: {
      std::string text = "[";
      JsonElements elements(value);
      std::string_view element;
      while (elements.next(element)) {
        if (text.size() > 1) text.push_back(' ');
        text += text_of(element, depth + 1);
      }
      return text + "]";
    }
    case JsonKind::kObject: break;
  }
  // In the order of the names, the last of equal ones.
  std::map<std::string, std::string_view> members;
  JsonMembers cursor(value);
  std::string name;
  std::string_view member;
  while (cursor.next(name, member)) members.insert_or_assign(name, member);
  std::string text = "map[";
  for (const auto& [key, held] : members) {
    if (text.size() > 4) text.push_back(' ');
    text.append(key).append(":").append(text_of(held, depth + 1));
  }
  return text + "]";
}

}  // namespace

std::string go_text(std::string_view value) { return text_of(value, 0); }

}  // namespace tandem::outbox
