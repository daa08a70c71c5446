#include "net/http_parser.h"

namespace tandem::net {

std::size_t find_head_end(std::string_view bytes, std::size_t from) {
  const std::size_t end = bytes.find("\r\n\r\n", from > 3 ? from - 3 : 0);
  return end == std::string_view::npos ? 0 : end + 4;
}

bool has_bare_line_feed(std::string_view bytes, std::size_t from) {
  std::size_t at = bytes.find('\n', from);
  while (at != std::string_view::npos) {
    if (at == 0 || bytes[at - 1] != '\r') return true;
    at = bytes.find('\n', at + 1);
  }
  return false;
}

bool names_http_version(std::string_view head) {
  std::string_view line = head.substr(0, head.find('\n'));
  if (!line.ends_with('\r')) return false;
  line.remove_suffix(1);
  const std::size_t at = line.rfind(' ');
  if (at == std::string_view::npos || !line.substr(at + 1).starts_with("HTTP/")) return false;
  const std::string_view version = line.substr(at + 6);
  return !version.empty() && version.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace tandem::net
