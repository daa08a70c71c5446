// OutboundHosts: which hosts a guest may reach, in the form of Spin's allowed_outbound_hosts.
//
//   https://example.com            scheme and name; the port is the scheme's own (http 80, https 443, redis 6379 …)
//   http://*.example.com:8080      any host below example.com, not example.com itself
//   *://127.0.0.1:*                any scheme, any port
//   tcp://10.0.0.0/8:5000..6000    a network, ports 5000 to 5999 (the end is excluded, as in Spin)
//   udp://10.0.0.1:53              datagrams; a socket is tcp or udp, whatever is spoken over it
//   https://*                      any host;  "*://*:*" grants everything
//
// A request is checked twice, and both must pass:
//   allows()          before a name is resolved: some entry matches scheme, host and port.
//   allows_address()  with each address that is about to be connected to.
// The address rule: a public address is allowed when the host was. An internal address (loopback, private, link-local,
// cloud metadata … see IpAddress::is_internal) must be granted by an entry that says so: one that names that
// address or a network around it, `localhost` for loopback, or the host `*`. A name alone is not enough, because
// whoever runs the name's DNS decides where it points: `https://example.com` must not become a way to 169.254.169.254
// or to a database on 127.0.0.1. An entry with a name of the user's own network ("http://db.internal:5432") needs a
// second entry for its address ("http://10.0.0.0/8:5432"). Scheme and port of that entry must match too.
//
// Sockets are checked alike: allows_lookup() before a name is resolved, then allows_address() with the names that led
// to an address, or allows_socket() for an address that no name led to.
//
// Immutable after parse(); any thread. parse() fails with kInvalidArgument and says which entry and why.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/ip_address.h"

namespace tandem::config {

inline constexpr std::string_view kTcpScheme = "tcp";
inline constexpr std::string_view kUdpScheme = "udp";

class OutboundHosts final {
 public:
  // Grants nothing.
  OutboundHosts() = default;
  static Result<OutboundHosts> parse(std::span<const std::string> entries);

  // `host` as in a URL, with or without the brackets of IPv6, any case.
  bool allows(std::string_view scheme, std::string_view host, std::uint16_t port) const;
  // `host` is what the guest asked for, `address` what it resolved to. Includes allows().
  bool allows_address(std::string_view scheme, std::string_view host, std::uint16_t port,
                      const IpAddress& address) const;
  // Whether a guest may look up the name for a socket: some entry of tcp, udp or any scheme has it, on whatever port.
  bool allows_lookup(std::string_view name) const;
  // For sockets, where there is only an address: an entry must name it, a network around it, `localhost` or `*`.
  bool allows_socket(std::string_view scheme, std::uint16_t port, const IpAddress& address) const;
  // Whether any entry is for sockets.
  bool has_sockets() const;

 private:
  enum class HostKind { kAny, kName, kSuffix, kNetwork, kLocalhost };
  struct Entry {
    std::string scheme;  // lower case; empty for any
    HostKind host_kind = HostKind::kAny;
    std::string host;  // kName: lower case; kSuffix: ".example.com"
    std::optional<IpNetwork> network;
    std::uint32_t port_begin = 0;
    std::uint32_t port_end = 65536;  // excluded
  };

  static Result<Entry> parse_entry(std::string_view text);
  static bool is_for_sockets(const Entry& entry);
  static bool door_matches(const Entry& entry, std::string_view scheme, std::uint16_t port);
  static bool host_matches(const Entry& entry, std::string_view host, const std::optional<IpAddress>& literal);
  static bool address_matches(const Entry& entry, const IpAddress& address);

  std::vector<Entry> entries_;
};

// The port that a scheme implies; nullopt when it has none.
std::optional<std::uint16_t> default_port(std::string_view scheme);

}  // namespace tandem::config
