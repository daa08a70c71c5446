#include "components/bindings/postgresql/json_rows.h"

#include <arpa/inet.h>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "base/json.h"
#include "base/json_normal.h"

namespace tandem::components::postgresql {
namespace {

constexpr std::int32_t kMaxDimensions = 6;  // PostgreSQL's own limit

std::unexpected<Error> wrong(std::string message) { return fail(Code::kInvalidArgument, std::move(message)); }
std::unexpected<Error> broken() { return wrong("a value has not the form of its type"); }

// Numbers, most significant byte first.
class Reader final {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  template <class Integer>
  Integer take() {
    std::uint64_t value = 0;
    if (bytes_.size() < sizeof(Integer)) {
      good_ = false;
      return 0;
    }
    for (std::size_t i = 0; i < sizeof(Integer); ++i) value = value << 8 | static_cast<unsigned char>(bytes_[i]);
    bytes_.remove_prefix(sizeof(Integer));
    return static_cast<Integer>(value);
  }
  std::string_view take(std::size_t count) {
    if (bytes_.size() < count) {
      good_ = false;
      return {};
    }
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }
  bool good() const { return good_; }
  bool at_end() const { return good_ && bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool good_ = true;
};

template <class Integer>
Result<std::string> integer(std::string_view bytes) {
  Reader reader(bytes);
  const auto value = reader.take<Integer>();
  if (!reader.at_end()) return broken();
  return fmt::format("{}", value);
}

template <class Float, class Bits>
Result<std::string> floating(std::string_view bytes) {
  Reader reader(bytes);
  const auto value = std::bit_cast<Float>(reader.take<Bits>());
  if (!reader.at_end()) return broken();
  if (std::isnan(value)) return wrong("error serializing results: json: unsupported value: NaN");
  if (std::isinf(value)) {
    return wrong(fmt::format("error serializing results: json: unsupported value: {}Inf", value > 0 ? "+" : "-"));
  }
  return normal_json(fmt::format("{}", value));
}

// Digits of base 10,000 before and behind the point.
Result<std::string> numeric(std::string_view bytes) {
  Reader reader(bytes);
  const auto count = reader.take<std::uint16_t>();
  const int weight = reader.take<std::int16_t>();
  const auto sign = reader.take<std::uint16_t>();
  const int scale = reader.take<std::uint16_t>();
  std::vector<std::uint16_t> digits(reader.good() && bytes.size() == 8U + 2U * count ? count : 0);
  for (std::uint16_t& digit : digits) digit = reader.take<std::uint16_t>();
  if (!reader.at_end()) return broken();
  if (sign == 0xC000) return std::string("\"NaN\"");
  if (sign == 0xD000) return std::string("\"Infinity\"");
  if (sign == 0xF000) return std::string("\"-Infinity\"");
  const auto digit_at = [&](int place) -> unsigned {
    const int index = weight - place;
    return index >= 0 && index < static_cast<int>(digits.size()) ? digits[static_cast<std::size_t>(index)] : 0;
  };
  std::string text = fmt::format("{}", digit_at(std::max(weight, 0)));
  for (int place = std::max(weight, 0) - 1; place >= 0; --place) text += fmt::format("{:04}", digit_at(place));
  if (scale > 0) {
    std::string fraction;
    for (int place = -1; static_cast<int>(fraction.size()) < scale; --place) {
      fraction += fmt::format("{:04}", digit_at(place));
    }
    text += "." + fraction.substr(0, static_cast<std::size_t>(scale));
  }
  return sign == 0x4000 ? "-" + text : text;
}

Result<std::string> quoted(std::string_view text) {
  std::string json;
  append_json_string(json, text);
  return json;
}

// RFC 3339 in UTC; PostgreSQL counts from 2000.
Result<std::string> moment(std::chrono::microseconds since_2000) {
  using std::chrono::seconds;
  constexpr seconds kEpoch{946'684'800};
  const seconds whole = std::chrono::floor<seconds>(since_2000);
  const auto days = std::chrono::floor<std::chrono::days>(whole + kEpoch);
  const std::chrono::year_month_day date{std::chrono::sys_days(days)};
  const std::chrono::hh_mm_ss time(whole + kEpoch - days);
  if (int(date.year()) < 0 || int(date.year()) > 9999) return wrong("a year that JSON's times have not");
  std::string text =
      fmt::format("\"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", int(date.year()), unsigned(date.month()),
                  unsigned(date.day()), time.hours().count(), time.minutes().count(), time.seconds().count());
  std::string fraction = fmt::format(".{:06}", (since_2000 - whole).count());
  fraction.erase(fraction.find_last_not_of('0') + 1);
  if (fraction != ".") text += fraction;
  return text + "Z\"";
}

// "infinity" is 1 and "-infinity" -1, as Go writes pgx's constants.
template <class Integer>
Result<std::string> time_of(std::string_view bytes, std::chrono::microseconds unit) {
  Reader reader(bytes);
  const auto value = reader.take<Integer>();
  if (!reader.at_end()) return broken();
  if (value == std::numeric_limits<Integer>::max()) return std::string("1");
  if (value == std::numeric_limits<Integer>::min()) return std::string("-1");
  // Far outside, so that neither the product nor std::chrono's year wraps round.
  const std::int64_t most = std::chrono::days(3'000'000) / unit;
  if (value > most || value < -most) return wrong("a year that JSON's times have not");
  return moment(unit * static_cast<std::int64_t>(value));
}

Result<std::string> time_of_day(std::string_view bytes) {
  Reader reader(bytes);
  const auto microseconds = reader.take<std::int64_t>();
  if (!reader.at_end()) return broken();
  return fmt::format(R"({{"Microseconds":{},"Valid":true}})", microseconds);
}

Result<std::string> interval(std::string_view bytes) {
  Reader reader(bytes);
  const auto microseconds = reader.take<std::int64_t>();
  const auto days = reader.take<std::int32_t>();
  const auto months = reader.take<std::int32_t>();
  if (!reader.at_end()) return broken();
  return fmt::format(R"({{"Microseconds":{},"Days":{},"Months":{},"Valid":true}})", microseconds, days, months);
}

Result<std::string> json_text_of(std::string_view bytes) {
  const Result<std::string_view> json = parse_json(bytes);
  return json ? normal_json(*json) : broken();
}

// pgx's [16]byte.
Result<std::string> uuid(std::string_view bytes) {
  if (bytes.size() != 16) return broken();
  std::string json = "[";
  for (const char byte : bytes)
    json += fmt::format("{}{}", json.size() > 1 ? "," : "", static_cast<unsigned char>(byte));
  return json + "]";
}

// Family, bits of the network, whether it is a cidr, length, address.
Result<std::string> network(std::string_view bytes) {
  Reader reader(bytes);
  reader.take<std::uint8_t>();
  const auto bits = reader.take<std::uint8_t>();
  reader.take<std::uint8_t>();
  const std::string_view address = reader.take(reader.take<std::uint8_t>());
  if (!reader.at_end() || (address.size() != 4 && address.size() != 16)) return broken();
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (::inet_ntop(address.size() == 4 ? AF_INET : AF_INET6, address.data(), text.data(), text.size()) == nullptr) {
    return broken();
  }
  return fmt::format("\"{}/{}\"", text.data(), bits);
}

Result<std::string> list(Reader& reader, unsigned type, const std::vector<std::int32_t>& sizes, std::size_t level) {
  std::string json = "[";
  for (std::int32_t i = 0; i < sizes[level]; ++i) {
    if (json.size() > 1) json += ',';
    if (level + 1 < sizes.size()) {
      Result<std::string> inner = list(reader, type, sizes, level + 1);
      if (!inner) return inner;
      json += *inner;
      continue;
    }
    const auto length = reader.take<std::int32_t>();
    if (length == -1) {
      json += "null";
      continue;
    }
    const std::string_view bytes = reader.take(static_cast<std::uint32_t>(length));
    if (!reader.good()) return broken();
    Result<std::string> element = json_value(type, bytes);
    if (!element) return element;
    json += *element;
  }
  return json + "]";
}

Result<std::string> array(std::string_view bytes) {
  Reader reader(bytes);
  const auto dimensions = reader.take<std::int32_t>();
  reader.take<std::int32_t>();
  const auto type = reader.take<std::uint32_t>();
  if (!reader.good() || dimensions < 0 || dimensions > kMaxDimensions) return broken();
  std::vector<std::int32_t> sizes;
  for (std::int32_t i = 0; i < dimensions; ++i) {
    sizes.push_back(reader.take<std::int32_t>());
    reader.take<std::int32_t>();
  }
  if (dimensions == 0) return std::string("[]");
  return list(reader, type, sizes, 0);
}

// Of pg_type.dat: those of the arrays of what json_value() knows.
bool is_array(unsigned type) {
  constexpr std::array kArrays = {199U,  651U,  1000U, 1001U, 1002U, 1003U, 1005U, 1007U, 1009U, 1014U, 1015U, 1016U,
                                  1021U, 1022U, 1028U, 1041U, 1115U, 1182U, 1183U, 1185U, 1187U, 1231U, 2951U, 3807U};
  return std::ranges::binary_search(kArrays, type);
}

}  // namespace

Result<std::string> json_value(unsigned type, std::string_view bytes) {
  using std::chrono::microseconds;
  switch (type) {
    case 16: return std::string(bytes == std::string_view("\1", 1) ? "true" : "false");
    case 17: return "\"" + base64_encode(bytes) + "\"";
    case 18: return integer<std::uint8_t>(bytes);  // "char"
    case 19:                                       // name
    case 25:                                       // text
    case 705:                                      // unknown
    case 1042:                                     // char(n)
    case 1043: return quoted(bytes);               // varchar
    case 20: return integer<std::int64_t>(bytes);
    case 21: return integer<std::int16_t>(bytes);
    case 23: return integer<std::int32_t>(bytes);
    case 26: return integer<std::uint32_t>(bytes);  // oid
    case 114: return json_text_of(bytes);
    case 3802: return bytes.empty() ? broken() : json_text_of(bytes.substr(1));  // jsonb, behind its version
    case 650:                                                                    // cidr
    case 869: return network(bytes);                                             // inet
    case 700: return floating<float, std::uint32_t>(bytes);
    case 701: return floating<double, std::uint64_t>(bytes);
    case 1082: return time_of<std::int32_t>(bytes, std::chrono::days(1));
    case 1083: return time_of_day(bytes);
    case 1114:                                                        // timestamp
    case 1184: return time_of<std::int64_t>(bytes, microseconds(1));  // with time zone
    case 1186: return interval(bytes);
    case 1700: return numeric(bytes);
    case 2950: return uuid(bytes);
    default: break;
  }
  if (is_array(type)) return array(bytes);
  return wrong(
      fmt::format("a value of the type with the OID {} cannot be passed on; cast it, to text for example", type));
}

Status JsonRows::add(const Rows& rows) {
  for (int row = 0; row < rows.size() && good_; ++row) {
    json_ += json_.size() > 1 ? ",[" : "[";
    for (int column = 0; column < rows.columns(); ++column) {
      if (column > 0) json_ += ',';
      if (rows.is_null(row, column)) {
        json_ += "null";
        continue;
      }
      const Result<std::string> value = json_value(rows.type(column), rows.bytes(row, column));
      if (!value) {
        json_.clear();
        good_ = wrong(fmt::format("column {}: {}", rows.name(column), value.error().message));
        return {};
      }
      json_ += *value;
    }
    json_ += ']';
    if (json_.size() > limit_) return wrong(fmt::format("the rows are more than {} bytes", limit_));
  }
  return {};
}

Result<std::string> JsonRows::finish() {
  if (!good_) return fail(std::move(good_.error()));
  return std::move(json_) + "]";
}

}  // namespace tandem::components::postgresql
