#include "net/hop_headers.h"

#include <array>
#include <cstddef>

namespace tandem::net {

bool is_hop_by_hop(std::string_view name) {
  constexpr std::array<std::string_view, 10> kNames = {
      "connection",     "keep-alive", "proxy-connection", "transfer-encoding",   "upgrade",
      "http2-settings", "te",         "trailer",          "proxy-authorization", "proxy-authenticate"};
  return is_one_of(name, kNames);
}

HopHeaders::HopHeaders(Headers headers) {
  for (const Header& header : headers) add(header.name, header.value);
}

void HopHeaders::add(std::string_view name, std::string_view value) {
  if (!equals_ignoring_case(name, "connection")) return;
  while (!value.empty()) {
    const std::size_t comma = value.find(',');
    if (const std::string_view named = trim(value.substr(0, comma)); !named.empty()) named_.push_back(named);
    value = comma == std::string_view::npos ? std::string_view() : value.substr(comma + 1);
  }
}

bool HopHeaders::contains(std::string_view name) const { return is_hop_by_hop(name) || is_one_of(name, named_); }

}  // namespace tandem::net
