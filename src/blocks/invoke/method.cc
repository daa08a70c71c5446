#include "blocks/invoke/method.h"

#include <fmt/format.h>

#include <iterator>
#include <vector>

#include "base/json.h"

namespace tandem::invoke {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

}  // namespace

Result<std::string> normalize_method(std::string_view method) {
  if (method.find_first_of(std::string_view("#?\0", 3)) != std::string_view::npos) {
    return fail(Code::kInvalidArgument, fmt::format("method contains forbidden character: {}", quoted(method)));
  }
  for (std::size_t i = 0; i < method.size(); ++i) {
    const auto byte = static_cast<unsigned char>(method[i]);
    if (byte < 0x20 || byte == 0x7F) {
      return fail(Code::kInvalidArgument,
                  fmt::format("method contains control character at position {}: {}", i, quoted(method)));
    }
  }
  std::string cleaned = clean_path(method);
  while (cleaned.starts_with("../")) cleaned.erase(0, 3);
  if (cleaned == ".." || cleaned == ".") cleaned.clear();
  if (cleaned.starts_with('/')) cleaned.erase(0, 1);
  return cleaned;
}

std::string clean_path(std::string_view path) {
  const bool rooted = path.starts_with('/');
  std::vector<std::string_view> kept;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    if (segment.empty() || segment == ".") continue;
    if (segment != "..") {
      kept.push_back(segment);
    } else if (!kept.empty() && kept.back() != "..") {
      kept.pop_back();
    } else if (!rooted) {
      kept.push_back(segment);
    }
  }
  std::string out(rooted ? "/" : "");
  for (const std::string_view segment : kept) {
    if (!out.empty() && out.back() != '/') out += '/';
    out += segment;
  }
  return out.empty() ? "." : out;
}

std::string escape_path(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-_.~$&+,/:;=@!*'()").find(c) != std::string_view::npos;
    if (plain && c != '\0') {
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace tandem::invoke
