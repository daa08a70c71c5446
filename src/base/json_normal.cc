#include "base/json_normal.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <system_error>
#include <utility>
#include <vector>

#include "base/json.h"

namespace tandem {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Whether Go writes the text of a string, quotes and all, just like that.
bool is_plain(std::string_view string_value) {
  return std::ranges::none_of(string_value, [](char c) {
    return c == '\\' || c == '<' || c == '>' || c == '&' || static_cast<unsigned char>(c) >= 0x80;
  });
}

// Go's shortest form: an exponent below 1e-6 and from 1e21 on, without a leading zero in it.
std::string number_text(double number) {
  std::array<char, 400> buffer;
  const double size = std::fabs(number);
  const bool exponent = size != 0 && (size < 1e-6 || size >= 1e21);
  const auto [end, failure] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number,
                                            exponent ? std::chars_format::scientific : std::chars_format::fixed);
  std::string text(buffer.data(), end);
  const std::size_t length = text.size();
  if (exponent && length >= 4 && text[length - 4] == 'e' && text[length - 3] == '-' && text[length - 2] == '0') {
    text.erase(length - 2, 1);
  }
  return text;
}

// Reads checked text once, from the front.
class Normalizer final {
 public:
  explicit Normalizer(std::string_view text) : text_(text) { out_.reserve(text.size()); }

  Result<std::string> run() {
    value(0);
    if (!too_large_.empty()) {
      return fail(Code::kInvalidArgument, fmt::format("the number {} is too large", too_large_));
    }
    return std::move(out_);
  }

 private:
  struct Member {
    std::string name;
    std::size_t begin;  // in out_, with the name
    std::size_t end;
  };

  void skip_space() {
    while (is_space(text_[at_])) ++at_;
  }

  // A string with its quotes.
  std::string_view string_span() {
    const std::size_t begin = at_++;
    while (text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    return text_.substr(begin, ++at_ - begin);
  }

  // What stands up to the next bracket, comma or white space.
  std::string_view word() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && !is_space(text_[at_]) &&
           std::string_view(",]}").find(text_[at_]) == std::string_view::npos)
      ++at_;
    return text_.substr(begin, at_ - begin);
  }

  void value(std::size_t depth) {
    skip_space();
    switch (text_[at_]) {
      case '{': return depth < kMaxNormalDepth ? object(depth) : as_sent();
      case '[': return depth < kMaxNormalDepth ? array(depth) : as_sent();
      case '"': return string(string_span());
      case 't':
      case 'f':
      case 'n': out_ += word(); return;
      default: number(word());
    }
  }

  void string(std::string_view span) {
    if (is_plain(span)) {
      out_ += span;
    } else {
      append_json_string(out_, json_text(span));
    }
  }

  void number(std::string_view span) {
    const bool whole = span.find_first_of(".eE") == std::string_view::npos;
    if (whole) {
      out_ += span;
      return;
    }
    double read = 0;
    if (std::from_chars(span.data(), span.data() + span.size(), read).ec == std::errc::result_out_of_range) {
      read = std::strtod(std::string(span).c_str(), nullptr);  // tells too large from too small
      if (std::isinf(read) && too_large_.empty()) too_large_ = span;
    }
    out_ += number_text(read);
  }

  void array(std::size_t depth) {
    out_ += '[';
    ++at_;
    for (bool first = true;; first = false) {
      skip_space();
      const char c = text_[at_];
      if (c == ']') break;
      if (c == ',') ++at_;
      if (!first) out_ += ',';
      value(depth + 1);
    }
    ++at_;
    out_ += ']';
  }

  void object(std::size_t depth) {
    const std::size_t start = out_.size();
    out_ += '{';
    ++at_;
    std::vector<Member> members;
    bool sorted = true;
    for (;;) {
      skip_space();
      if (text_[at_] == '}') break;
      if (text_[at_] == ',') {
        ++at_;
        skip_space();
      }
      if (!members.empty()) out_ += ',';
      const std::size_t begin = out_.size();
      const std::string_view name = string_span();
      string(name);
      skip_space();
      ++at_;  // the colon
      out_ += ':';
      value(depth + 1);
      members.push_back({json_text(name), begin, out_.size()});
      sorted = sorted && (members.size() == 1 || members[members.size() - 2].name < members.back().name);
    }
    ++at_;
    out_ += '}';
    if (!sorted) sort(start, members);
  }

  // Writes the object that begins at `start` anew.
  void sort(std::size_t start, std::vector<Member>& members) {
    std::ranges::sort(members, {},
                      [](const Member& one) { return std::pair<std::string_view, std::size_t>(one.name, one.begin); });
    std::string text = "{";
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (i + 1 < members.size() && members[i].name == members[i + 1].name) continue;
      if (text.size() > 1) text += ',';
      text.append(out_, members[i].begin, members[i].end - members[i].begin);
    }
    text += '}';
    out_.replace(start, std::string::npos, text);
  }

  // A whole object or array.
  void as_sent() {
    const std::size_t begin = at_;
    std::size_t open = 0;
    do {
      const char c = text_[at_];
      if (c == '"') {
        string_span();
        continue;
      }
      if (c == '{' || c == '[') ++open;
      if (c == '}' || c == ']') --open;
      ++at_;
    } while (open > 0);
    out_ += text_.substr(begin, at_ - begin);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string out_;
  std::string_view too_large_;
};

}  // namespace

Result<std::string> normal_json(std::string_view value) { return Normalizer(value).run(); }

}  // namespace tandem
