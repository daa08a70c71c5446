#include "config/text.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace tandem::config {
namespace {

bool is_name_character(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

}  // namespace

std::vector<std::string> split_and_trim(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    auto at = text.find(separator);
    auto part = trim(text.substr(0, at));
    if (!part.empty()) parts.emplace_back(part);
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string printable(std::string_view text) {
  constexpr std::size_t kMax = 120;
  std::string out;
  for (char c : text.substr(0, kMax)) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  if (text.size() > kMax) out += "...";
  return out;
}

std::optional<std::string> read_text_file(const std::string& path, std::size_t max_bytes, Diagnostics& diagnostics) {
  // Not to block on a FIFO: opened without waiting, then only regular files are read.
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    diagnostics.error({path, 0, 0}, fmt::format("cannot open the file: {}", std::strerror(errno)));
    return std::nullopt;
  }
  struct stat info{};
  std::optional<std::string> text;
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    diagnostics.error({path, 0, 0}, "not a regular file");
  } else {
    text.emplace();
    char buffer[16384];
    while (text && text->size() <= max_bytes) {
      ssize_t count = ::read(fd, buffer, sizeof buffer);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) {
        diagnostics.error({path, 0, 0}, fmt::format("cannot read the file: {}", std::strerror(errno)));
        text.reset();
        break;
      }
      if (count == 0) break;
      text->append(buffer, static_cast<std::size_t>(count));
    }
    if (text && text->size() > max_bytes) {
      diagnostics.error({path, 0, 0}, fmt::format("larger than {} bytes, the limit for this file", max_bytes));
      text.reset();
    }
  }
  ::close(fd);
  return text;
}

std::string expand_environment(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i++];
      continue;
    }
    std::string_view name;
    std::size_t next = i + 1;
    if (text[next] == '{') {
      auto close = text.find('}', next);
      if (close == std::string_view::npos) {
        out += text.substr(i);
        return out;
      }
      name = text.substr(next + 1, close - next - 1);
      next = close + 1;
    } else {
      while (next < text.size() && is_name_character(text[next])) ++next;
      name = text.substr(i + 1, next - i - 1);
      if (name.empty()) {
        out += text[i++];
        continue;
      }
    }
    if (const char* value = std::getenv(std::string(name).c_str())) out += value;
    i = next;
  }
  return out;
}

}  // namespace tandem::config
