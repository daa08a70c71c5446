#include "config/duration.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>

#include "config/decimal.h"
#include "config/text.h"

namespace tandem::config {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// Nanoseconds of a unit, 0 for an unknown one.
std::int64_t unit_nanoseconds(std::string_view unit) {
  if (unit == "ns") return 1;
  if (unit == "us" || unit == "\u00b5s" || unit == "\u03bcs") return 1'000;
  if (unit == "ms") return 1'000'000;
  if (unit == "s") return kSecond;
  if (unit == "m") return 60 * kSecond;
  if (unit == "h") return 3600 * kSecond;
  return 0;
}

std::unexpected<Error> refuse(std::string_view text, std::string_view why) {
  return fail(
      Code::kInvalidArgument,
      fmt::format("\"{}\" is not a duration ({}); write for example 500ms, 30s or 1h30m", printable(text), why));
}

}  // namespace

Result<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  std::string_view rest = text;
  bool negative = false;
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
    negative = rest[0] == '-';
    rest.remove_prefix(1);
  }
  if (rest == "0") return std::chrono::nanoseconds(0);
  if (rest.empty()) return refuse(text, "it is empty");
  long double total = 0;
  while (!rest.empty()) {
    std::size_t length = rest.find_first_not_of("0123456789.");
    if (length == std::string_view::npos) return refuse(text, "a unit is missing");
    std::string_view number = rest.substr(0, length);
    rest.remove_prefix(length);
    std::size_t unit_length = rest.find_first_of("0123456789.");
    std::int64_t unit = unit_nanoseconds(rest.substr(0, unit_length));
    if (unit == 0) return refuse(text, fmt::format("unknown unit \"{}\"", printable(rest.substr(0, unit_length))));
    rest.remove_prefix(unit_length == std::string_view::npos ? rest.size() : unit_length);

    if (number.empty() || number == ".") return refuse(text, "a number is missing");
    const Result<long double> value = parse_decimal(number);
    if (!value) return refuse(text, value.error().message);
    total += *value * static_cast<long double>(unit);
    if (total > 9.2e18L) return refuse(text, "too long");
  }
  auto nanoseconds = static_cast<std::int64_t>(std::llround(total));
  return std::chrono::nanoseconds(negative ? -nanoseconds : nanoseconds);
}

Result<std::chrono::nanoseconds> parse_duration_or_seconds(std::string_view text) {
  if (!text.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos) {
    auto seconds = parse_duration(std::string(text) + "s");
    if (seconds) return seconds;
    return refuse(text, "as a number it means seconds");
  }
  return parse_duration(text);
}

std::string format_duration(std::chrono::nanoseconds duration) {
  std::int64_t micros = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  std::string out = micros < 0 ? "-" : "";
  if (micros < 0) micros = -micros;
  // So many micros of the unit, with what is behind the point as far as it goes.
  const auto append = [&](std::int64_t amount, std::int64_t unit, std::string_view name) {
    out += std::to_string(amount / unit);
    std::string fraction = std::to_string(unit + amount % unit).substr(1);
    while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
    if (!fraction.empty()) out += "." + fraction;
    out += name;
  };
  if (micros == 0) return "0s";
  if (micros < 1'000) return out + std::to_string(micros) + "\u00b5s";
  if (micros < 1'000'000) {
    append(micros, 1'000, "ms");
    return out;
  }
  const std::int64_t minutes = micros / 60'000'000;
  if (minutes >= 60) out += std::to_string(minutes / 60) + "h";
  if (minutes > 0) out += std::to_string(minutes % 60) + "m";
  append(micros % 60'000'000, 1'000'000, "s");
  return out;
}

}  // namespace tandem::config
