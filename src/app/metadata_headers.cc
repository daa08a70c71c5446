#include "app/metadata_headers.h"

#include <array>
#include <string>
#include <utility>

#include "base/text.h"
#include "net/hop_headers.h"
#include "net/http_head.h"

namespace tandem::app {
namespace {

constexpr std::size_t kMaxMetadataBytes = 16 * 1024;

bool is_reserved(std::string_view name) {
  constexpr auto kReserved = std::to_array<std::string_view>(
      {"content-type", "content-length", "host", "traceparent", "tracestate", "destination-app-id"});
  const auto starts = [name](std::string_view prefix) {
    return name.size() >= prefix.size() && net::equals_ignoring_case(name.substr(0, prefix.size()), prefix);
  };
  return net::is_hop_by_hop(name) || starts("dapr-") || name.ends_with("-bin") || net::is_one_of(name, kReserved);
}

}  // namespace

LeftOutMetadata add_metadata_headers(const Metadata& metadata, std::string_view own, net::OwnedHeaders& headers) {
  std::size_t left = kMaxMetadataBytes;
  LeftOutMetadata left_out;
  for (const auto& [name, value] : metadata) {
    std::string header = to_lower(name);
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
