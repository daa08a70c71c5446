// When a value expires, as the doors write it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace tandem::conformance {

// Unix time in milliseconds of "2026-11-22T21:40:00Z", with or without a fraction; none of anything else.
std::optional<std::int64_t> parse_expiry(const std::string& text);

}  // namespace tandem::conformance
