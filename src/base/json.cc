#include "base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "base/text.h"
#include "base/utf8.h"

namespace tandem {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(std::string& out, std::uint32_t point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0 | (point >> 6));
    out += static_cast<char>(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0 | (point >> 12));
    out += static_cast<char>(0x80 | ((point >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (point & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (point >> 18));
    out += static_cast<char>(0x80 | ((point >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((point >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (point & 0x3F));
  }
}

// What goes into a JSON string as it is.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t byte = 0x20; byte < 0x80; ++byte) plain[byte] = true;
  for (const char c : std::string_view("\"\\<>&")) plain[static_cast<unsigned char>(c)] = false;
  return plain;
}();

std::size_t end_of_plain(std::string_view text, std::size_t at) {
  while (at < text.size() && kPlain[static_cast<unsigned char>(text[at])]) ++at;
  return at;
}

// As Go's scanner shows a byte: a character of Latin-1 in single quotes.
std::string quoted(char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (c == '\'') return R"('\'')";
  if (c == '\\') return R"('\\')";
  for (const auto& [known, letter] :
       {std::pair('\a', 'a'), std::pair('\b', 'b'), std::pair('\f', 'f'), std::pair('\n', 'n'), std::pair('\r', 'r'),
        std::pair('\t', 't'), std::pair('\v', 'v')}) {
    if (c == known) return fmt::format("'\\{}'", letter);
  }
  if (byte < 0x20 || byte == 0x7F) return fmt::format("'\\x{:02x}'", byte);
  if (byte >= 0x80 && (byte <= 0xA0 || byte == 0xAD)) return fmt::format("'\\u{:04x}'", byte);
  std::string text = "'";
  append_utf8(text, byte);
  return text + "'";
}

// Checks text against the grammar. A mistake is told in the words of Go's encoding/json, which clients of Dapr know.
// Its stack is a string of the brackets that are open, so depth costs a byte a level.
class Checker final {
 public:
  explicit Checker(std::string_view text) : text_(text) {}

  Result<std::string_view> check() {
    auto found = check_prefix();
    if (!found) {
      if (at_ >= text_.size()) found.error().message = "unexpected end of JSON input";
      return found;
    }
    skip_space();
    if (at_ == text_.size()) return found;
    wrong("after top-level value");
    return fail(Code::kInvalidArgument, std::move(mistake_));
  }

  Result<std::string_view> check_prefix() {
    skip_space();
    const std::size_t begin = at_;
    if (value()) return text_.substr(begin, at_ - begin);
    // What json.Decoder says of a body that ends too early.
    if (at_ >= text_.size()) mistake_ = begin >= text_.size() ? "EOF" : "unexpected EOF";
    return fail(Code::kInvalidArgument, std::move(mistake_));
  }

 private:
  // The byte here has no place `where`; or, at the end, one is missing.
  bool wrong(std::string_view where) {
    if (at_ < text_.size()) mistake_ = fmt::format("invalid character {} {}", quoted(text_[at_]), where);
    return false;
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }

  bool value() {
    std::string open;
    for (;;) {
      skip_space();
      if (at_ >= text_.size()) return false;
      const char c = text_[at_];
      if (c == '{' || c == '[') {
        if (open.size() >= kMaxJsonDepth) {
          mistake_ = "exceeded max depth";
          return false;
        }
        const char close = c == '{' ? '}' : ']';
        ++at_;
        skip_space();
        if (peek() == close) {
          ++at_;
        } else {
          open.push_back(close);
          if (close == '}' && !member_name()) return false;
          continue;
        }
      } else if (!scalar(c)) {
        return false;
      }
      // A value has ended: close what ends with it, then go on to the next one.
      for (;;) {
        if (open.empty()) return true;
        skip_space();
        if (peek() == open.back()) {
          ++at_;
          open.pop_back();
          continue;
        }
        if (peek() != ',') return wrong(open.back() == '}' ? "after object key:value pair" : "after array element");
        ++at_;
        if (open.back() == '}' && !member_name()) return false;
        break;
      }
    }
  }

  bool member_name() {
    skip_space();
    if (peek() != '"') return wrong("looking for beginning of object key string");
    if (!string()) return false;
    skip_space();
    if (peek() != ':') return wrong("after object key");
    ++at_;
    return true;
  }

  bool scalar(char c) {
    switch (c) {
      case '"': return string();
      case 't': return word("true");
      case 'f': return word("false");
      case 'n': return word("null");
      default: return number();
    }
  }

  bool word(std::string_view expected) {
    for (const char c : expected) {
      if (peek() != c) return wrong(fmt::format("in literal {} (expecting '{}')", expected, c));
      ++at_;
    }
    return true;
  }

  bool digits(std::string_view where) {
    const std::size_t begin = at_;
    while (is_digit(peek())) ++at_;
    return at_ > begin || wrong(where);
  }

  bool number() {
    std::string_view where = "looking for beginning of value";
    if (peek() == '-') {
      ++at_;
      where = "in numeric literal";
    }
    if (peek() == '0') {
      ++at_;
    } else if (!digits(where)) {
      return false;
    }
    if (peek() == '.') {
      ++at_;
      if (!digits("after decimal point in numeric literal")) return false;
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!digits("in exponent of numeric literal")) return false;
    }
    return true;
  }

  bool string() {
    ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return true;
      }
      if (kPlain[static_cast<unsigned char>(c)]) {
        at_ = end_of_plain(text_, at_);
        continue;
      }
      if (static_cast<unsigned char>(c) < 0x20) return wrong("in string literal");
      if (c == '\\') {
        if (!escape()) return false;
        continue;
      }
      const std::size_t length = utf8_length(text_.substr(at_));
      if (length == 0) return wrong("in string literal, which is not UTF-8");
      at_ += length;
    }
    return false;
  }

  bool escape() {
    ++at_;
    const char c = peek();
    if (c != 'u') {
      if (std::string_view("\"\\/bfnrt").find(c) == std::string_view::npos || c == '\0') {
        return wrong("in string escape code");
      }
      ++at_;
      return true;
    }
    ++at_;
    for (int i = 0; i < 4; ++i, ++at_) {
      if (hex_digit(peek()) < 0) return wrong("in \\u hexadecimal character escape");
    }
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string mistake_;
};

// The cursors below read checked text only, so they look for ends and no more.
std::size_t skip_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return at + 1;
}

std::size_t skip_value(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  while (at < text.size()) {
    switch (text[at]) {
      case '"': at = skip_string(text, at); break;
      case '{':
      case '[':
        ++depth;
        ++at;
        continue;
      case '}':
      case ']':
        --depth;
        ++at;
        break;
      case ',':
      case ':':
      case ' ':
      case '\t':
      case '\n':
      case '\r': ++at; continue;
      default:
        while (at < text.size() && !is_space(text[at]) && text[at] != ',' && text[at] != '}' && text[at] != ']') ++at;
    }
    if (depth == 0) break;
  }
  return at;
}

std::size_t skip_between(std::string_view text, std::size_t at) {
  while (at < text.size() && (is_space(text[at]) || text[at] == ',' || text[at] == ':')) ++at;
  return at;
}

std::uint32_t four_hex(std::string_view text) {
  std::uint32_t unit = 0;
  for (const char c : text.substr(0, 4)) unit = unit * 16 + static_cast<std::uint32_t>(hex_digit(c));
  return unit;
}

}  // namespace

Result<std::string_view> parse_json(std::string_view text) { return Checker(text).check(); }
Result<std::string_view> parse_json_prefix(std::string_view text) { return Checker(text).check_prefix(); }

JsonKind json_kind(std::string_view value) {
  switch (value.front()) {
    case '{': return JsonKind::kObject;
    case '[': return JsonKind::kArray;
    case '"': return JsonKind::kString;
    case 't':
    case 'f': return JsonKind::kBool;
    case 'n': return JsonKind::kNull;
    default: return JsonKind::kNumber;
  }
}

std::string json_text(std::string_view string_value) {
  const std::string_view text = string_value.substr(1, string_value.size() - 2);
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    if (const std::size_t end = std::min(text.find('\\', at), text.size()); end > at) {
      out += text.substr(at, end - at);
      at = end;
      continue;
    }
    const char c = text[at + 1];
    at += 2;
    switch (c) {
      case 'b': out += '\b'; break;
      case 'f': out += '\f'; break;
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
      case 'u': {
        std::uint32_t point = four_hex(text.substr(at));
        at += 4;
        if (point >= 0xD800 && point < 0xDC00 && text.substr(at).starts_with("\\u")) {
          const std::uint32_t low = four_hex(text.substr(at + 2));
          if (low >= 0xDC00 && low < 0xE000) {
            point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
            at += 6;
          }
        }
        append_utf8(out, point >= 0xD800 && point < 0xE000 ? 0xFFFD : point);
        break;
      }
      default: out += c;
    }
  }
  return out;
}

bool JsonElements::next(std::string_view& element) {
  at_ = skip_between(text_, at_);
  if (at_ >= text_.size() || text_[at_] == ']') return false;
  const std::size_t begin = at_;
  at_ = skip_value(text_, at_);
  element = text_.substr(begin, at_ - begin);
  return true;
}

bool JsonMembers::next(std::string& name, std::string_view& value) {
  at_ = skip_between(text_, at_);
  if (at_ >= text_.size() || text_[at_] == '}') return false;
  std::size_t begin = at_;
  at_ = skip_string(text_, at_);
  name = json_text(text_.substr(begin, at_ - begin));
  at_ = begin = skip_between(text_, at_);
  at_ = skip_value(text_, at_);
  value = text_.substr(begin, at_ - begin);
  return true;
}

Result<std::string> json_string_field(std::string_view value, std::string_view field) {
  switch (json_kind(value)) {
    case JsonKind::kNull: return std::string();
    case JsonKind::kString: return json_text(value);
    default: return fail(Code::kInvalidArgument, fmt::format("\"{}\" must be a string", field));
  }
}

Result<Metadata> json_string_map_field(std::string_view value, std::string_view field) {
  Metadata map;
  if (json_kind(value) == JsonKind::kNull) return map;
  if (json_kind(value) != JsonKind::kObject) {
    return fail(Code::kInvalidArgument, fmt::format("\"{}\" must be an object of strings", field));
  }
  JsonMembers members(value);
  std::string name;
  std::string_view member;
  while (members.next(name, member)) {
    auto text = json_string_field(member, fmt::format("{}.{}", field, name));
    if (!text) return fail(std::move(text.error()));
    map.insert_or_assign(name, std::move(*text));
  }
  return map;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    if (const std::size_t end = end_of_plain(text, at); end > at) {
      out += text.substr(at, end - at);
      at = end;
      continue;
    }
    const char c = text[at];
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) {
      const std::size_t length = utf8_length(text.substr(at));
      const std::string_view sequence = text.substr(at, length);
      if (length == 0) {
        out += "\\ufffd";
      } else if (sequence == "\u2028") {
        out += "\\u2028";
      } else if (sequence == "\u2029") {
        out += "\\u2029";
      } else {
        out += sequence;
      }
      at += length == 0 ? 1 : length;
      continue;
    }
    ++at;
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default: fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
    }
  }
  out += '"';
}

void append_json_map(std::string& out, const Metadata& map) {
  out += '{';
  for (const auto& [name, value] : map) {
    if (out.back() != '{') out += ',';
    append_json_string(out, name);
    out += ':';
    append_json_string(out, value);
  }
  out += '}';
}

}  // namespace tandem
