#include "base/percent.h"

#include <cstddef>
#include <optional>

#include "base/text.h"

namespace tandem {
namespace {

// The byte that "%XX" at `at` stands for.
std::optional<char> encoded_byte(std::string_view text, std::size_t at) {
  if (text.size() - at < 3) return std::nullopt;
  const int high = hex_digit(text[at + 1]);
  const int low = hex_digit(text[at + 2]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<char>(high * 16 + low);
}

// Calls stray(at) for a percent sign that begins nothing; false from it ends the work.
template <class Stray>
std::string decode(std::string_view text, Plus plus, Stray stray) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      out += text[at] == '+' && plus == Plus::kSpace ? ' ' : text[at];
    } else if (const auto byte = encoded_byte(text, at)) {
      out += *byte;
      at += 2;
    } else if (stray(at)) {
      out += '%';
    } else {
      break;
    }
  }
  return out;
}

}  // namespace

Result<std::string> percent_decode(std::string_view text, Plus plus) {
  std::optional<std::size_t> wrong;
  std::string out = decode(text, plus, [&](std::size_t at) {
    wrong = at;
    return false;
  });
  if (!wrong) return out;
  std::string message = "invalid URL escape \"";
  message.append(text.substr(*wrong, 3)).append("\"");
  return fail(Code::kInvalidArgument, std::move(message));
}

std::string percent_decode_leniently(std::string_view text, Plus plus) {
  return decode(text, plus, [](std::size_t) { return true; });
}

}  // namespace tandem
