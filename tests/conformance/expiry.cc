#include "expiry.h"

#include <cstdlib>
#include <ctime>

namespace tandem::conformance {

std::optional<std::int64_t> parse_expiry(const std::string& text) {
  std::tm time{};
  const char* rest = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &time);
  if (rest == nullptr) return std::nullopt;
  std::int64_t ms = static_cast<std::int64_t>(timegm(&time)) * 1000;
  if (*rest == '.') ms += static_cast<std::int64_t>(std::strtod(rest, nullptr) * 1000);
  return ms;
}

}  // namespace tandem::conformance
