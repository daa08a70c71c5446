#include "net/grpc/header_metadata.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/base64.h"
#include "base/text.h"
#include "net/hop_headers.h"

namespace tandem::net::grpc {
namespace {

// A body is framed anew, and the trace is told apart.
bool is_left_out(std::string_view key) { return key == "content-length" || key == "grpc-trace-bin"; }

// HTTP's own, which daprd passes on under its prefix.
constexpr std::array<std::string_view, 22> kPermanent = {"accept",
                                                         "accept-charset",
                                                         "accept-language",
                                                         "accept-ranges",
                                                         "cache-control",
                                                         "content-type",
                                                         "cookie",
                                                         "date",
                                                         "expect",
                                                         "from",
                                                         "host",
                                                         "if-match",
                                                         "if-modified-since",
                                                         "if-none-match",
                                                         "if-schedule-tag-match",
                                                         "if-unmodified-since",
                                                         "max-forwards",
                                                         "origin",
                                                         "pragma",
                                                         "referer",
                                                         "via",
                                                         "warning"};

bool is_key(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

bool is_text(std::string_view value) {
  return std::ranges::all_of(value, [](unsigned char c) { return c >= 0x20 && c <= 0x7E; });
}

}  // namespace

bool is_metadata(std::string_view key, std::string_view value) {
  // What starts with grpc- is the protocol's own.
  return is_key(key) && !key.starts_with("grpc-") && (key.ends_with("-bin") || is_text(value));
}

MetadataPairs metadata_of_headers(net::Headers headers) {
  MetadataPairs pairs;
  const HopHeaders hop(headers);
  for (const net::Header& header : headers) {
    std::string key = to_lower(header.name);
    // What starts with grpc- is the protocol's own.
    if (!is_key(key) || key.starts_with("grpc-") || is_left_out(key) || hop.contains(key)) continue;
    if (is_one_of(key, kPermanent)) key.insert(0, "dapr-");
    if (key.ends_with("-bin")) {
      if (auto bytes = base64_decode(header.value)) pairs.emplace_back(std::move(key), std::move(*bytes));
    } else if (is_text(header.value)) {
      pairs.emplace_back(std::move(key), std::string(header.value));
    }
  }
  return pairs;
}

std::optional<std::string> header_of_metadata(std::string_view key, std::string_view value) {
  constexpr auto kOther = std::to_array<std::string_view>(
      {"content-type", "content-length", "traceparent", "tracestate", "destination-app-id", "server", "date"});
  if (key.ends_with("-bin") || key.starts_with(':') || is_left_out(key) || is_hop_by_hop(key) ||
      is_one_of(key, kOther)) {
    return std::nullopt;
  }
  if (!is_text(value)) return std::nullopt;
  return (key.starts_with("grpc-") ? "dapr-" : "") + std::string(key);
}

}  // namespace tandem::net::grpc
