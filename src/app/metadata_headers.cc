#include "app/metadata_headers.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "net/http_head.h"

namespace tandem::app {
namespace {

constexpr std::size_t kMaxMetadataBytes = 16 * 1024;

bool is_reserved(std::string_view name) {
  constexpr auto kReserved = std::to_array<std::string_view>(
      {"content-type", "host", "traceparent", "tracestate", "te", "trailer", "upgrade", "http2-settings",
       "proxy-authenticate", "proxy-authorization", "destination-app-id"});
  const auto starts = [name](std::string_view prefix) {
    return name.size() >= prefix.size() && net::equals_ignoring_case(name.substr(0, prefix.size()), prefix);
  };
  return net::is_framing_header(name) || starts("dapr-") || name.ends_with("-bin") ||
         std::ranges::any_of(kReserved, [&](std::string_view other) { return net::equals_ignoring_case(name, other); });
}

}  // namespace

LeftOutMetadata add_metadata_headers(const Metadata& metadata, std::string_view own, net::OwnedHeaders& headers) {
  std::size_t left = kMaxMetadataBytes;
  LeftOutMetadata left_out;
  for (const auto& [name, value] : metadata) {
    std::string header = name;
    std::ranges::transform(header, header.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
    const std::size_t size = name == own ? 0 : header.size() + value.size();
    if (size <= left && net::valid_header({header, value}) && !is_reserved(header)) {
      left -= size;
      headers.push_back({std::move(header), value});
    } else if (left_out.count++ == 0) {
      left_out.first = name;
    }
  }
  return left_out;
}

}  // namespace tandem::app
