#include "config/quantity.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

#include "config/decimal.h"
#include "config/text.h"

namespace tandem::config {

Result<std::uint64_t> parse_quantity(std::string_view text) {
  auto refuse = [&](std::string_view why) {
    return fail(Code::kInvalidArgument,
                fmt::format("\"{}\" is not an amount of bytes ({}); write for example 64Mi, 512Ki, 1G or 4096",
                            printable(text), why));
  };
  std::string_view rest = trim(text);
  std::size_t digits = rest.find_first_not_of("0123456789.");
  std::string_view number = rest.substr(0, digits);
  std::string_view suffix = digits == std::string_view::npos ? std::string_view{} : rest.substr(digits);
  if (number.empty() || number == "." || number.size() > 20) return refuse("no number");
  const Result<long double> value = parse_decimal(number);
  if (!value) return refuse(value.error().message);
  if (suffix.size() > 1 && suffix.back() == 'B') suffix.remove_suffix(1);
  long double factor = 0;
  if (suffix.empty() || suffix == "B") factor = 1;
  if (suffix == "k" || suffix == "K") factor = 1e3L;
  if (suffix == "M") factor = 1e6L;
  if (suffix == "G") factor = 1e9L;
  if (suffix == "T") factor = 1e12L;
  if (suffix == "Ki") factor = 1024.0L;
  if (suffix == "Mi") factor = 1048576.0L;
  if (suffix == "Gi") factor = 1073741824.0L;
  if (suffix == "Ti") factor = 1099511627776.0L;
  if (factor == 0) return refuse(fmt::format("unknown unit \"{}\"", printable(suffix)));
  long double bytes = std::ceil(*value * factor);
  if (bytes > 9.0e18L) return refuse("too large");
  return static_cast<std::uint64_t>(bytes);
}

}  // namespace tandem::config
