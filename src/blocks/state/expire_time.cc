#include "blocks/state/expire_time.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>

namespace tandem::state {

std::string expire_time(std::int64_t unix_ms) {
  using std::chrono::milliseconds;
  const std::chrono::sys_time<milliseconds> time{milliseconds(unix_ms)};
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

Metadata response_metadata(const GetResponse& response) {
  if (!response.expires_at_ms) return {};
  return {{"ttlExpireTime", expire_time(*response.expires_at_ms)}};
}

}  // namespace tandem::state
