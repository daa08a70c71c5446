#include "blocks/invoke/method.h"

#include <fmt/format.h>

#include <iterator>
#include <vector>

namespace tandem::invoke {
namespace {

// As Go's %q writes it.
std::string quoted(std::string_view text) {
  constexpr std::string_view kNamed = "\a\b\t\n\v\f\r";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (const std::size_t named = kNamed.find(c); named != std::string_view::npos) {
      out += '\\';
      out += "abtnvfr"[named];
    } else if (byte < 0x20 || byte == 0x7F) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c != '\0' && std::string_view("-_.~").find(c) != std::string_view::npos);
}

// What Go writes as it is when it makes a path of text.
bool stays_in_path(char c) {
  return is_unreserved(c) || (c != '\0' && std::string_view("$&+,/:;=@").find(c) != std::string_view::npos);
}

// What may stand in a path that is taken as it came.
bool may_stand_in_path(char c) {
  return stays_in_path(c) || (c != '\0' && std::string_view("!'()*[]%").find(c) != std::string_view::npos);
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

Result<std::string> path_of_method(std::string_view method) {
  std::string decoded;
  bool as_it_is = true;
  for (std::size_t i = 0; i < method.size(); ++i) {
    as_it_is = as_it_is && may_stand_in_path(method[i]);
    if (method[i] != '%') {
      decoded += method[i];
      continue;
    }
    const int high = i + 1 < method.size() ? hex_digit(method[i + 1]) : -1;
    const int low = i + 2 < method.size() ? hex_digit(method[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return fail(Code::kInvalidArgument, fmt::format("invalid URL escape \"{}\"", method.substr(i, 3)));
    }
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return as_it_is ? std::string(method) : escape_path(decoded);
}

Result<std::string> request_path(std::string_view method, std::string_view authority, MethodIn form) {
  if (form == MethodIn::kEscaped) return "/" + escape_path(method);
  auto path = path_of_method(method);
  if (!path) {
    return fail(path.error().code, fmt::format("parse \"http://{}/{}\": {}", authority, method, path.error().message));
  }
  return "/" + *path;
}

std::string escape_path(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (stays_in_path(c)) {
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace tandem::invoke
