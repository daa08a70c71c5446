#include "telemetry/baggage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "base/percent.h"
#include "base/text.h"
#include "base/utf8.h"

namespace tandem::telemetry {
namespace {

constexpr std::size_t kMaxMembers = 64;
constexpr std::size_t kMaxBytes = 8192;

bool is_key_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").contains(c));
}

// Printable ASCII without the space, the double quote, the comma, the semicolon and the backslash.
bool is_value_char(char c) { return c > ' ' && c < '\x7F' && c != '"' && c != ',' && c != ';' && c != '\\'; }

bool is_key(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_key_char); }
bool is_value(std::string_view text) { return std::ranges::all_of(text, is_value_char); }

// A percent-encoded value as it is written again. Fails with Go's text for an escape that is none.
Result<std::string> rewritten(std::string_view raw) {
  const Result<std::string> decoded = percent_decode(raw);
  if (!decoded) return fail(decoded.error());
  const std::string_view text = *decoded;
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text.substr(at));
    if (length == 0) {
      out += "%EF%BF%BD";
      ++at;
      continue;
    }
    for (const char c : text.substr(at, length)) {
      if (is_value_char(c) && c != '%') {
        out += c;
      } else {
        out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
      }
    }
    at += length;
  }
  return out;
}

// "key" or "key=value", with spaces around both.
std::optional<std::string> read_property(std::string_view text) {
  const std::size_t equals = text.find('=');
  const std::string_view key = trim(text.substr(0, equals));
  if (!is_key(key)) return std::nullopt;
  if (equals == std::string_view::npos) return std::string(key);
  const std::string_view raw = trim(text.substr(equals + 1));
  if (!is_value(raw)) return std::nullopt;
  const Result<std::string> value = rewritten(raw);
  if (!value) return std::nullopt;
  return fmt::format("{}={}", key, *value);
}

struct Member {
  std::string_view key;
  std::string text;
};

Result<Member> read_member(std::string_view text) {
  // As Go quotes it.
  const auto wrong = [](std::string_view what, std::string_view which) {
    std::string quoted;
    for (const char c : which) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c;
    }
    return fail(Code::kInvalidArgument, fmt::format("{}: \"{}\"", what, quoted));
  };
  std::string properties;
  std::size_t end = text.find(';');
  const std::string_view pair = text.substr(0, end);
  while (end != std::string_view::npos) {
    text.remove_prefix(end + 1);
    end = text.find(';');
    const std::string_view one = text.substr(0, end);
    if (one.empty()) continue;
    const auto property = read_property(one);
    if (!property) return wrong("invalid baggage list-member property", one);
    properties.append(";").append(*property);
  }
  const std::size_t equals = pair.find('=');
  if (equals == std::string_view::npos) return wrong("invalid baggage list-member", pair);
  const std::string_view key = trim(pair.substr(0, equals));
  if (!is_key(key)) return wrong("invalid key", key);
  const std::string_view raw = trim(pair.substr(equals + 1));
  if (!is_value(raw)) return wrong("invalid value", pair.substr(equals + 1));
  Result<std::string> value = rewritten(raw);
  if (!value) return fail(Code::kInvalidArgument, "invalid value: " + value.error().message);
  return Member{key, fmt::format("{}={}{}", key, *value, properties)};
}

}  // namespace

Result<std::string> read_baggage(std::string_view header) {
  std::vector<Member> members;
  std::string mistakes;
  const auto note = [&](std::string_view mistake) { mistakes.append(mistakes.empty() ? "" : "\n").append(mistake); };
  std::size_t bytes = 0;
  for (bool more = !header.empty(); more;) {
    const std::size_t comma = header.find(',');
    more = comma != std::string_view::npos;
    if (members.size() >= kMaxMembers) {
      note("too many list-members in baggage-string");
      break;
    }
    Result<Member> member = read_member(header.substr(0, comma));
    if (more) header.remove_prefix(comma + 1);
    if (!member) {
      note(member.error().message);
      continue;
    }
    const auto same = std::ranges::find(members, member->key, &Member::key);
    bytes += member->text.size() + (same == members.end() && !members.empty() ? 1 : 0);
    if (same != members.end()) bytes -= same->text.size();
    if (bytes > kMaxBytes) {
      note("baggage-string too large");
      break;
    }
    if (same != members.end()) {
      same->text = std::move(member->text);
    } else {
      members.push_back(std::move(*member));
    }
  }
  if (!mistakes.empty()) return fail(Code::kInvalidArgument, std::move(mistakes));
  std::string out;
  for (const Member& member : members) out.append(out.empty() ? "" : ",").append(member.text);
  return out;
}

}  // namespace tandem::telemetry
