#include "config/decimal.h"

namespace tandem::config {

Result<long double> parse_decimal(std::string_view digits) {
  long double value = 0;
  long double scale = 1;
  bool fraction = false;
  for (const char c : digits) {
    if (c == '.') {
      if (fraction) return fail(Code::kInvalidArgument, "two decimal points");
      fraction = true;
    } else if (fraction) {
      scale /= 10;
      value += static_cast<long double>(c - '0') * scale;
    } else {
      value = value * 10 + static_cast<long double>(c - '0');
    }
  }
  return value;
}

}  // namespace tandem::config
