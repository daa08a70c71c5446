// IpAddress and IpNetwork: numeric addresses for deciding what a guest may reach. Pure values; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tandem::config {

// An IPv4 address is kept as its IPv4-mapped IPv6 address (::ffff:a.b.c.d), so both spellings of it are equal.
class IpAddress final {
 public:
  // Dotted IPv4 (four decimal parts only, no octal or short forms) or IPv6, without brackets or zone.
  static std::optional<IpAddress> parse(std::string_view text);
  static IpAddress v4(std::array<std::uint8_t, 4> bytes);
  static IpAddress v6(const std::array<std::uint8_t, 16>& bytes);

  bool is_v4() const;
  const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  // 127.0.0.0/8 or ::1.
  bool is_loopback() const;
  // Everything that is not a public unicast address: loopback, unspecified, private, carrier-grade NAT, link-local
  // (where clouds keep their metadata services), unique local, multicast, broadcast, reserved, and IPv6 forms
  // that carry such an IPv4 address (6to4, NAT64, IPv4-compatible).
  bool is_internal() const;
  std::string to_string() const;

  bool operator==(const IpAddress&) const = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

// "10.0.0.0/8", "2001:db8::/32".
class IpNetwork final {
 public:
  static std::optional<IpNetwork> parse(std::string_view text);
  bool contains(const IpAddress& address) const;

 private:
  IpAddress base_;
  int prefix_bits_ = 128;  // of the 128-bit form
};

}  // namespace tandem::config
