#include "config/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "base/number.h"

namespace tandem::config {
namespace {

constexpr std::size_t kV4Offset = 12;

bool in_v4(const std::uint8_t* a, std::uint8_t b0, std::uint8_t b1, std::uint8_t b2, std::uint8_t b3, int bits) {
  std::uint32_t address = (std::uint32_t{a[0]} << 24) | (std::uint32_t{a[1]} << 16) | (std::uint32_t{a[2]} << 8) | a[3];
  std::uint32_t base = (std::uint32_t{b0} << 24) | (std::uint32_t{b1} << 16) | (std::uint32_t{b2} << 8) | b3;
  std::uint32_t mask = bits == 0 ? 0 : ~std::uint32_t{0} << (32 - bits);
  return (address & mask) == (base & mask);
}

bool v4_internal(const std::uint8_t* a) {
  return in_v4(a, 0, 0, 0, 0, 8) || in_v4(a, 10, 0, 0, 0, 8) || in_v4(a, 100, 64, 0, 0, 10) ||
         in_v4(a, 127, 0, 0, 0, 8) || in_v4(a, 169, 254, 0, 0, 16) || in_v4(a, 172, 16, 0, 0, 12) ||
         in_v4(a, 192, 0, 0, 0, 24) || in_v4(a, 192, 0, 2, 0, 24) || in_v4(a, 192, 88, 99, 0, 24) ||
         in_v4(a, 192, 168, 0, 0, 16) || in_v4(a, 198, 18, 0, 0, 15) || in_v4(a, 198, 51, 100, 0, 24) ||
         in_v4(a, 203, 0, 113, 0, 24) || in_v4(a, 224, 0, 0, 0, 4) || in_v4(a, 240, 0, 0, 0, 4);
}

bool all_zero(const std::uint8_t* begin, const std::uint8_t* end) {
  return std::all_of(begin, end, [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN + 1];
  if (text.empty() || text.size() >= sizeof buffer) return std::nullopt;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  if (std::strlen(buffer) != text.size()) return std::nullopt;
  std::array<std::uint8_t, 4> four{};
  if (::inet_pton(AF_INET, buffer, four.data()) == 1) return v4(four);
  std::array<std::uint8_t, 16> sixteen{};
  if (::inet_pton(AF_INET6, buffer, sixteen.data()) == 1) return v6(sixteen);
  return std::nullopt;
}

IpAddress IpAddress::v4(std::array<std::uint8_t, 4> bytes) {
  IpAddress out;
  out.bytes_[10] = out.bytes_[11] = 0xff;
  std::copy(bytes.begin(), bytes.end(), out.bytes_.begin() + kV4Offset);
  return out;
}

IpAddress IpAddress::v6(const std::array<std::uint8_t, 16>& bytes) {
  IpAddress out;
  out.bytes_ = bytes;
  return out;
}

bool IpAddress::is_v4() const {
  return all_zero(bytes_.data(), bytes_.data() + 10) && bytes_[10] == 0xff && bytes_[11] == 0xff;
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes_[kV4Offset] == 127;
  return all_zero(bytes_.data(), bytes_.data() + 15) && bytes_[15] == 1;
}

bool IpAddress::is_internal() const {
  const std::uint8_t* b = bytes_.data();
  if (is_v4()) return v4_internal(b + kV4Offset);
  if (all_zero(b, b + kV4Offset)) return true;                                    // ::, ::1 and IPv4-compatible
  if (b[0] == 0xfc || b[0] == 0xfd) return true;                                  // unique local
  if (b[0] == 0xfe) return true;                                                  // link-local, site-local
  if (b[0] == 0xff) return true;                                                  // multicast
  if (b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0d && b[3] == 0xb8) return true;  // documentation
  if (b[0] == 0x20 && b[1] == 0x01 && b[2] == 0 && b[3] == 0) return true;        // Teredo
  if (b[0] == 0x20 && b[1] == 0x02) return v4_internal(b + 2);                    // 6to4
  if (b[0] == 0 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b) {                // NAT64
    return b[5] == 1 || v4_internal(b + kV4Offset);
  }
  return false;
}

std::string IpAddress::to_string() const {
  char buffer[INET6_ADDRSTRLEN];
  const char* text = is_v4() ? ::inet_ntop(AF_INET, bytes_.data() + kV4Offset, buffer, sizeof buffer)
                             : ::inet_ntop(AF_INET6, bytes_.data(), buffer, sizeof buffer);
  return text ? text : "";
}

std::optional<IpNetwork> IpNetwork::parse(std::string_view text) {
  auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  auto base = IpAddress::parse(text.substr(0, slash));
  std::string_view digits = text.substr(slash + 1);
  const std::optional<int> length = parse_number<int>(digits);
  if (!base || !length) return std::nullopt;
  const int bits = *length;
  int most = base->is_v4() ? 32 : 128;
  if (bits < 0 || bits > most) return std::nullopt;
  IpNetwork network;
  network.base_ = *base;
  network.prefix_bits_ = base->is_v4() ? 96 + bits : bits;
  return network;
}

bool IpNetwork::contains(const IpAddress& address) const {
  // An IPv6 network is about IPv6: "::/0" does not mean every IPv4 address.
  if (base_.is_v4() != address.is_v4()) return false;
  const auto& a = base_.bytes();
  const auto& b = address.bytes();
  auto whole = static_cast<std::size_t>(prefix_bits_ / 8);
  if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin())) return false;
  int rest = prefix_bits_ % 8;
  if (rest == 0) return true;
  auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
  return (a[whole] & mask) == (b[whole] & mask);
}

}  // namespace tandem::config
