#include "net/http.h"

namespace tandem::net {
std::optional<std::string_view> find_header(Headers headers, std::string_view name) {
  for (const Header& header : headers) {
    if (equals_ignoring_case(header.name, name)) return header.value;
  }
  return std::nullopt;
}

}  // namespace tandem::net
