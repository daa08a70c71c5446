#include "cli/flag_values.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <system_error>

#include "base/number.h"
#include "config/duration.h"
#include "config/ip_address.h"
#include "config/quantity.h"
#include "config/text.h"

namespace tandem::cli {
namespace {

using config::printable;

constexpr std::uint64_t kPageBytes = 64 * 1024;

}  // namespace

Result<bool> parse_boolean(std::string_view text) {
  constexpr std::array<std::string_view, 6> kTrue = {"true", "1", "t", "T", "TRUE", "True"};
  constexpr std::array<std::string_view, 6> kFalse = {"false", "0", "f", "F", "FALSE", "False"};
  for (std::string_view word : kTrue) {
    if (text == word) return true;
  }
  for (std::string_view word : kFalse) {
    if (text == word) return false;
  }
  return fail(Code::kInvalidArgument, fmt::format("\"{}\" is neither true nor false", printable(text)));
}

Result<std::int64_t> parse_integer(std::string_view text, std::int64_t least, std::int64_t most) {
  const std::optional<std::int64_t> value = parse_number<std::int64_t>(text);
  if (!value || *value < least || *value > most) {
    return fail(Code::kInvalidArgument,
                fmt::format("\"{}\" is not a whole number from {} to {}", printable(text), least, most));
  }
  return *value;
}

Result<std::uint16_t> parse_port(std::string_view text) {
  auto value = parse_integer(text, 0, 65535);
  if (!value) {
    return fail(Code::kInvalidArgument,
                fmt::format("\"{}\" is not a port (1 to 65535, or 0 for any free one)", printable(text)));
  }
  return static_cast<std::uint16_t>(*value);
}

Result<std::chrono::nanoseconds> parse_limit(std::string_view text) {
  auto value = config::parse_duration(text);
  if (!value || value->count() <= 0) {
    return fail(Code::kInvalidArgument,
                fmt::format("\"{}\" is not a time above 0, as in 60s, 500ms or 1m30s", printable(text)));
  }
  return *value;
}

Result<std::uint64_t> parse_size(std::string_view text) {
  auto value = config::parse_quantity(text);
  if (!value || *value == 0) {
    return fail(Code::kInvalidArgument,
                fmt::format("\"{}\" is not an amount of bytes above 0, as in 4096, 16Ki or 4Mi", printable(text)));
  }
  return *value;
}

Result<std::uint64_t> parse_memory(std::string_view text) {
  auto value = parse_size(text);
  if (value && *value < kPageBytes) {
    return fail(Code::kInvalidArgument,
                fmt::format("\"{}\" is less than 64Ki, one page of WebAssembly memory", printable(text)));
  }
  return value;
}

Result<std::pair<std::string, std::string>> parse_variable(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return fail(Code::kInvalidArgument, fmt::format("\"{}\" is not KEY=VALUE", printable(text)));
  }
  return std::pair(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
}

Result<config::FileMount> parse_mount(std::string_view text) {
  config::FileMount mount;
  std::string_view rest = text;
  if (rest.ends_with(":ro") || rest.ends_with(":rw")) {
    mount.read_only = rest.ends_with(":ro");
    rest.remove_suffix(3);
  }
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == rest.size()) {
    return fail(Code::kInvalidArgument,
                fmt::format("\"{}\" is not HOST:GUEST, as in ./data:/data or ./data:/data:ro", printable(text)));
  }
  if (rest[colon + 1] != '/') {
    return fail(Code::kInvalidArgument,
                fmt::format("\"{}\": the guest's side must be an absolute path, like /data", printable(text)));
  }
  mount.destination = rest.substr(colon + 1);
  std::error_code problem;
  mount.source = std::filesystem::absolute(rest.substr(0, colon), problem).lexically_normal().string();
  if (problem) {
    return fail(Code::kInvalidArgument, fmt::format("\"{}\": {}", printable(text), problem.message()));
  }
  return mount;
}

Result<std::string> parse_listen_address(std::string_view text) {
  if (text.find(',') != std::string_view::npos) {
    return fail(Code::kInvalidArgument,
                fmt::format("\"{}\": this port has one address; 0.0.0.0 or [::] means all", printable(text)));
  }
  if (text == "localhost") return "127.0.0.1";
  std::string_view bare = text;
  if (bare.starts_with('[') && bare.ends_with(']')) bare = bare.substr(1, bare.size() - 2);
  if (!config::IpAddress::parse(bare)) {
    return fail(
        Code::kInvalidArgument,
        fmt::format("\"{}\" is not an address to listen on, as in 127.0.0.1, 0.0.0.0 or [::1]", printable(text)));
  }
  return std::string(bare);
}

Result<std::vector<std::string>> parse_listen_addresses(std::string_view text) {
  std::vector<std::string> addresses;
  while (true) {
    const std::size_t comma = text.find(',');
    std::string_view one = text.substr(0, comma);
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    auto address = parse_listen_address(one);
    if (!address) return fail(std::move(address.error()));
    addresses.push_back(std::move(*address));
    if (comma == std::string_view::npos) return addresses;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace tandem::cli
