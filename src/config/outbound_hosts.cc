#include "config/outbound_hosts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/number.h"
#include "config/text.h"

namespace tandem::config {
namespace {

constexpr std::size_t kMaxEntries = 1000;
constexpr std::size_t kMaxEntryBytes = 512;

constexpr std::array<std::pair<std::string_view, std::uint16_t>, 16> kDefaultPorts = {{
    {"http", 80},
    {"https", 443},
    {"ws", 80},
    {"wss", 443},
    {"redis", 6379},
    {"rediss", 6379},
    {"postgres", 5432},
    {"postgresql", 5432},
    {"mysql", 3306},
    {"mqtt", 1883},
    {"mqtts", 8883},
    {"nats", 4222},
    {"amqp", 5672},
    {"amqps", 5671},
    {"kafka", 9092},
    {"mongodb", 27017},
}};

bool is_scheme(std::string_view text) {
  return !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789+-.") == std::string_view::npos;
}

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > 253 || text.front() == '.' || text.front() == '-') return false;
  return text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-._") == std::string_view::npos &&
         text.find("..") == std::string_view::npos;
}

std::optional<std::uint32_t> parse_port(std::string_view text) {
  const std::optional<std::uint16_t> port = parse_number<std::uint16_t>(text);
  if (!port || *port == 0) return std::nullopt;
  return *port;
}

std::string_view without_brackets(std::string_view host) {
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') return host.substr(1, host.size() - 2);
  return host;
}

// "Example.COM." is the same host as "example.com".
std::string canonical_host(std::string_view host) {
  std::string out = to_lower(without_brackets(host));
  if (out.size() > 1 && out.back() == '.') out.pop_back();
  return out;
}

}  // namespace

std::optional<std::uint16_t> default_port(std::string_view scheme) {
  std::string lower = to_lower(scheme);
  for (const auto& [name, port] : kDefaultPorts) {
    if (name == lower) return port;
  }
  return std::nullopt;
}

Result<OutboundHosts> OutboundHosts::parse(std::span<const std::string> entries) {
  if (entries.size() > kMaxEntries) {
    return fail(Code::kInvalidArgument, fmt::format("more than {} allowed outbound hosts", kMaxEntries));
  }
  OutboundHosts hosts;
  for (const std::string& text : entries) {
    auto entry = parse_entry(text);
    if (!entry) {
      return fail(Code::kInvalidArgument,
                  fmt::format("allowed outbound host \"{}\": {}", printable(text), entry.error().message));
    }
    hosts.entries_.push_back(std::move(*entry));
  }
  return hosts;
}

Result<OutboundHosts::Entry> OutboundHosts::parse_entry(std::string_view text) {
  auto refuse = [](std::string why) { return fail(Code::kInvalidArgument, std::move(why)); };
  if (text.size() > kMaxEntryBytes) return refuse("too long");
  Entry entry;
  auto mark = text.find("://");
  if (mark == std::string_view::npos) {
    return refuse("a scheme is missing; write for example https://example.com or *://example.com:*");
  }
  std::string scheme = to_lower(text.substr(0, mark));
  if (scheme != "*") {
    if (!is_scheme(scheme)) return refuse("the scheme before :// is not valid");
    entry.scheme = scheme;
  }
  std::string_view rest = text.substr(mark + 3);
  if (rest.ends_with('/') && rest.find('/') == rest.size() - 1) rest.remove_suffix(1);
  if (rest.find_first_of("?#@ \t\r\n") != std::string_view::npos) {
    return refuse("only a scheme, a host and a port can be given: no user, query or spaces");
  }

  // The host ends at the last colon outside of brackets; a network's slash belongs to it.
  std::string_view host = rest;
  std::string_view port;
  bool port_given = false;
  if (rest.starts_with('[')) {
    auto close = rest.find(']');
    if (close == std::string_view::npos) return refuse("\"[\" without \"]\"");
    host = rest.substr(0, close + 1);
    std::string_view tail = rest.substr(close + 1);
    std::size_t slash_end = tail.starts_with('/') ? std::min(tail.find(':'), tail.size()) : 0;
    host = rest.substr(0, close + 1 + slash_end);
    tail.remove_prefix(slash_end);
    if (!tail.empty() && tail[0] != ':') return refuse("after \"]\" only \":\" and a port can follow");
    port_given = !tail.empty();
    if (port_given) port = tail.substr(1);
  } else if (auto colon = rest.find(':'); colon != std::string_view::npos) {
    host = rest.substr(0, colon);
    port = rest.substr(colon + 1);
    port_given = true;
  }
  if (host.empty()) return refuse("the host is missing; \"*\" means any host");

  std::string name(host);
  if (auto close = name.find(']'); name.starts_with('[') && close != std::string::npos) {
    name = name.substr(1, close - 1) + name.substr(close + 1);
  }
  name = canonical_host(name);
  if (name == "*" && host != "*") return refuse("the host is not valid");
  if (name == "*") {
    entry.host_kind = HostKind::kAny;
  } else if (name == "localhost") {
    entry.host_kind = HostKind::kLocalhost;
  } else if (auto address = IpAddress::parse(name)) {
    entry.host_kind = HostKind::kNetwork;
    entry.network = IpNetwork::parse(address->to_string() + (address->is_v4() ? "/32" : "/128"));
  } else if (name.find('/') != std::string::npos) {
    entry.host_kind = HostKind::kNetwork;
    entry.network = IpNetwork::parse(name);
    if (!entry.network)
      return refuse("not an address with a prefix length such as 10.0.0.0/8, and a path cannot be given");
  } else if (name.starts_with("*.")) {
    entry.host_kind = HostKind::kSuffix;
    entry.host = name.substr(1);
    if (!is_host_name(name.substr(2))) return refuse("the host is not valid");
  } else {
    entry.host_kind = HostKind::kName;
    entry.host = name;
    if (name.find('*') != std::string::npos)
      return refuse("\"*\" can only be the whole host or its first part, as in *.example.com");
    if (!is_host_name(name)) return refuse("the host is not valid");
    // "127.1" and "0x7f000001" would be numbers to a resolver and are not taken for names.
    auto last = name.substr(name.rfind('.') == std::string::npos ? 0 : name.rfind('.') + 1);
    if (!last.empty() && last[0] >= '0' && last[0] <= '9')
      return refuse("the host is neither a name nor a full IP address");
  }

  if (!port_given) {
    if (entry.scheme.empty()) return refuse("with the scheme * a port is needed; \":*\" means any port");
    auto implied = default_port(entry.scheme);
    if (!implied)
      return refuse(fmt::format("the scheme \"{}\" has no default port; give one, \":*\" means any", entry.scheme));
    entry.port_begin = *implied;
    entry.port_end = *implied + 1U;
  } else if (port == "*") {
    entry.port_begin = 0;
    entry.port_end = 65536;
  } else if (auto dots = port.find(".."); dots != std::string_view::npos) {
    auto begin = parse_port(port.substr(0, dots));
    auto end =
        port.substr(dots + 2) == "65536" ? std::optional<std::uint32_t>(65536) : parse_port(port.substr(dots + 2));
    if (!begin || !end || *begin >= *end)
      return refuse("a range of ports is written 8000..9000, the end is not part of it");
    entry.port_begin = *begin;
    entry.port_end = *end;
  } else {
    auto single = parse_port(port);
    if (!single) return refuse("the port must be a number from 1 to 65535, a range such as 8000..9000, or *");
    entry.port_begin = *single;
    entry.port_end = *single + 1;
  }
  return entry;
}

bool OutboundHosts::is_for_sockets(const Entry& entry) {
  return entry.scheme.empty() || entry.scheme == kTcpScheme || entry.scheme == kUdpScheme;
}

bool OutboundHosts::door_matches(const Entry& entry, std::string_view scheme, std::uint16_t port) {
  return (entry.scheme.empty() || equals_ignoring_case(entry.scheme, scheme)) && port >= entry.port_begin &&
         port < entry.port_end;
}

bool OutboundHosts::host_matches(const Entry& entry, std::string_view host, const std::optional<IpAddress>& literal) {
  switch (entry.host_kind) {
    case HostKind::kAny: return true;
    case HostKind::kLocalhost:
      return host == "localhost" || host.ends_with(".localhost") || (literal && literal->is_loopback());
    case HostKind::kNetwork: return literal && entry.network->contains(*literal);
    case HostKind::kName: return host == entry.host;
    case HostKind::kSuffix: return !literal && host.size() > entry.host.size() && host.ends_with(entry.host);
  }
  return false;
}

bool OutboundHosts::address_matches(const Entry& entry, const IpAddress& address) {
  switch (entry.host_kind) {
    case HostKind::kAny: return true;
    case HostKind::kLocalhost: return address.is_loopback();
    case HostKind::kNetwork: return entry.network->contains(address);
    case HostKind::kName:
    case HostKind::kSuffix: return false;
  }
  return false;
}

bool OutboundHosts::allows(std::string_view scheme, std::string_view host, std::uint16_t port) const {
  std::string name = canonical_host(host);
  auto literal = IpAddress::parse(name);
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return door_matches(entry, scheme, port) && host_matches(entry, name, literal);
  });
}

bool OutboundHosts::has_sockets() const { return std::ranges::any_of(entries_, is_for_sockets); }

bool OutboundHosts::allows_lookup(std::string_view host) const {
  const std::string name = canonical_host(host);
  const auto literal = IpAddress::parse(name);
  return std::ranges::any_of(
      entries_, [&](const Entry& entry) { return is_for_sockets(entry) && host_matches(entry, name, literal); });
}

bool OutboundHosts::allows_socket(std::string_view scheme, std::uint16_t port, const IpAddress& address) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return door_matches(entry, scheme, port) && address_matches(entry, address);
  });
}

bool OutboundHosts::allows_address(std::string_view scheme, std::string_view host, std::uint16_t port,
                                   const IpAddress& address) const {
  if (!allows(scheme, host, port)) return false;
  return !address.is_internal() || allows_socket(scheme, port, address);
}

}  // namespace tandem::config
