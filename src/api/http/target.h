// A request target taken apart as Dapr does it: the path is cleaned while still percent-encoded, routed by its
// segments, and only what a route captures is decoded. So an encoded slash never separates segments.
//
// Plain functions and values over the caller's text, which outlives them. Any thread, never throws; no allocation for a
// path that is clean already.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "blocks/invoke/method.h"

namespace tandem::api::http {

// Go's url.QueryUnescape, which Dapr applies to captured segments too: %XX, and + for a space.
Result<std::string> unescape_query(std::string_view text);
// Go's path decoding: %XX alone.
Result<std::string> unescape_path(std::string_view text);
using invoke::clean_path;
using invoke::escape_path;

class Target final {
 public:
  explicit Target(std::string_view target);
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  // Still encoded, as it was sent and cleaned.
  std::string_view raw_path() const { return raw_path_; }
  std::string_view path() const { return path_; }
  // Without the question mark.
  std::string_view query() const { return query_; }

  std::size_t size() const { return size_; }
  // Segment `i` of the cleaned path, encoded; empty past the end.
  std::string_view operator[](std::size_t i) const {
    return i < kKept && i < size_ ? segments_[i] : std::string_view();
  }
  // From segment `i` to the end of the path; empty when there is none.
  std::string_view rest(std::size_t i) const;

 private:
  // No route of Dapr names more; longer paths count their segments and keep the first ones.
  static constexpr std::size_t kKept = 8;

  std::string_view raw_path_;
  std::string_view query_;
  std::string cleaned_;  // only for a path that was not clean
  std::string_view path_;
  std::array<std::string_view, kKept> segments_;
  std::size_t size_ = 0;
};

// The first value of a query parameter.
std::optional<std::string> query_value(std::string_view query, std::string_view name);
// All of its values, in their order.
std::vector<std::string> query_values(std::string_view query, std::string_view name);
// The parameters that start with "metadata.", without that prefix; the first of equal names counts.
Metadata query_metadata(std::string_view query);

}  // namespace tandem::api::http
