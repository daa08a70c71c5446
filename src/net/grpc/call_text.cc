#include "net/grpc/call_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iterator>

#include "base/base64.h"

namespace tandem::net::grpc {
namespace {

constexpr std::size_t kLongestTimeout = 9;  // eight digits and the unit

std::optional<std::chrono::nanoseconds> unit_of(char unit) {
  switch (unit) {
    case 'H': return std::chrono::hours(1);
    case 'M': return std::chrono::minutes(1);
    case 'S': return std::chrono::seconds(1);
    case 'm': return std::chrono::milliseconds(1);
    case 'u': return std::chrono::microseconds(1);
    case 'n': return std::chrono::nanoseconds(1);
    default: return std::nullopt;
  }
}

std::unexpected<Error> malformed(std::string_view timeout, std::string_view why) {
  return fail(Code::kInternal, fmt::format("malformed grpc-timeout: {}: \"{}\"", why, timeout));
}

}  // namespace

Result<SteadyTime> deadline_of(std::string_view timeout, SteadyTime now) {
  if (timeout.size() < 2) return malformed(timeout, "transport: timeout string is too short");
  if (timeout.size() > kLongestTimeout) return malformed(timeout, "transport: timeout string is too long");
  const auto unit = unit_of(timeout.back());
  if (!unit) return malformed(timeout, "transport: timeout unit is not recognized");
  std::uint64_t count = 0;
  const char* const end = timeout.data() + timeout.size() - 1;
  const auto [at, error] = std::from_chars(timeout.data(), end, count);
  if (error != std::errc() || at != end) return malformed(timeout, "transport: timeout is no number");
  // Eight digits of hours are more than the clock counts.
  const auto most = std::chrono::hours(24 * 365 * 10);
  if (count > static_cast<std::uint64_t>(most / *unit)) return SteadyTime::max();
  return now + *unit * static_cast<std::int64_t>(count);
}

std::string encode_message(std::string_view message) {
  std::string out;
  out.reserve(message.size());
  for (const char byte : message) {
    if (byte >= ' ' && byte <= '~' && byte != '%') {
      out += byte;
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(byte));
    }
  }
  return out;
}

std::string encode_binary(std::string_view bytes) {
  std::string text = base64_encode(bytes);
  while (text.ends_with('=')) text.pop_back();
  return text;
}

std::optional<std::string> decode_binary(std::string_view text) {
  std::string padded(text);
  if (!text.ends_with('=')) padded.append((4 - text.size() % 4) % 4, '=');
  auto bytes = base64_decode(padded);
  if (!bytes) return std::nullopt;
  return std::move(*bytes);
}

}  // namespace tandem::net::grpc
