#include "components/nameresolution/mdns/multicast.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include "components/nameresolution/mdns/dns_message.h"

namespace tandem::components {
namespace {

constexpr const char* kGroup4 = "224.0.0.251";
constexpr const char* kGroup6 = "ff02::fb";
constexpr int kDatagramsATurn = 64;

bool is_link_local(const in6_addr& address) { return IN6_IS_ADDR_LINKLOCAL(&address); }

std::string text_of(int family, const void* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const char* out = ::inet_ntop(family, address, text.data(), static_cast<socklen_t>(text.size()));
  return out == nullptr ? "" : out;
}

Source source_of(const sockaddr_storage& from, unsigned interface) {
  Source source{.interface = interface, .raw = from};
  if (from.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(from);
    source.address = text_of(AF_INET, &v4.sin_addr);
    source.port = ntohs(v4.sin_port);
  } else {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(from);
    source.address = text_of(AF_INET6, &v6.sin6_addr);
    source.port = ntohs(v6.sin6_port);
  }
  return source;
}

// The interface by which a datagram to the group came in; 0: it was not to the group, so it may be from anywhere.
unsigned interface_of(msghdr& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(part), sizeof info);
      return IN_MULTICAST(ntohl(info.ipi_addr.s_addr)) ? static_cast<unsigned>(info.ipi_ifindex) : 0;
    }
    if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(part), sizeof info);
      return IN6_IS_ADDR_MULTICAST(&info.ipi6_addr) ? info.ipi6_ifindex : 0;
    }
  }
  return 0;
}

bool set(int fd, int level, int option, int value) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

bool prepare(int fd, int family) {
  // The other programs that have the port say so, too.
  if (!set(fd, SOL_SOCKET, SO_REUSEADDR, 1)) return false;
  if (family == AF_INET) {
    return set(fd, IPPROTO_IP, IP_PKTINFO, 1) && set(fd, IPPROTO_IP, IP_MULTICAST_TTL, 255) &&
           set(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 1);
  }
  return set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) && set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
         set(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 255) && set(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1);
}

bool bind_to(int fd, int family, std::uint16_t port) {
  if (family == AF_INET) {
    sockaddr_in any{.sin_family = AF_INET, .sin_port = htons(port)};
    return ::bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0;
  }
  sockaddr_in6 any{.sin6_family = AF_INET6, .sin6_port = htons(port)};
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0;
}

// One datagram, out by interface number `index` where that is not 0.
void send_datagram(int fd, const sockaddr* to, socklen_t to_size, unsigned index, std::string_view bytes) {
  iovec part{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> control{};
  msghdr message{};
  message.msg_name = const_cast<sockaddr*>(to);
  message.msg_namelen = to_size;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (index != 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    if (to->sa_family == AF_INET) {
      const in_pktinfo info{.ipi_ifindex = static_cast<int>(index)};
      head->cmsg_level = IPPROTO_IP;
      head->cmsg_type = IP_PKTINFO;
      head->cmsg_len = CMSG_LEN(sizeof info);
      std::memcpy(CMSG_DATA(head), &info, sizeof info);
      message.msg_controllen = CMSG_SPACE(sizeof info);
    } else {
      in6_pktinfo info{};
      info.ipi6_ifindex = index;
      head->cmsg_level = IPPROTO_IPV6;
      head->cmsg_type = IPV6_PKTINFO;
      head->cmsg_len = CMSG_LEN(sizeof info);
      std::memcpy(CMSG_DATA(head), &info, sizeof info);
      message.msg_controllen = CMSG_SPACE(sizeof info);
    }
  }
  (void)::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace

std::vector<Interface> list_interfaces() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  std::map<std::string, Interface> found;
  const auto visit = [&](int family) {
    for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
      const bool usable = (one->ifa_flags & IFF_UP) != 0 && (one->ifa_flags & (IFF_MULTICAST | IFF_LOOPBACK)) != 0;
      if (!usable || one->ifa_addr == nullptr || one->ifa_addr->sa_family != family) continue;
      Interface& interface = found[one->ifa_name];
      interface.name = one->ifa_name;
      interface.index = ::if_nametoindex(one->ifa_name);
      interface.loopback = (one->ifa_flags & IFF_LOOPBACK) != 0;
      if (family == AF_INET) {
        interface.addresses.push_back(text_of(AF_INET, &reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr));
      } else {
        const in6_addr& address = reinterpret_cast<const sockaddr_in6*>(one->ifa_addr)->sin6_addr;
        (is_link_local(address) ? interface.link_local : interface.addresses).push_back(text_of(AF_INET6, &address));
      }
    }
  };
  visit(AF_INET);
  visit(AF_INET6);
  std::vector<Interface> interfaces;
  for (auto& [name, interface] : found) {
    if (interface.index != 0) interfaces.push_back(std::move(interface));
  }
  return interfaces;
}

Multicast::Multicast(net::Worker& worker, std::uint16_t port, OnDatagram on_datagram)
    : worker_(worker), port_(port), on_datagram_(std::move(on_datagram)), interfaces_(list_interfaces()) {
  sockets_[0].family = AF_INET;
  sockets_[1].family = AF_INET6;
}

Multicast::~Multicast() {
  for (Socket& socket : sockets_) {
    socket.watch.reset();
    if (socket.fd >= 0) ::close(socket.fd);
  }
}

Result<std::unique_ptr<Multicast>> Multicast::open(net::Worker& worker, std::uint16_t port, OnDatagram on_datagram) {
  std::unique_ptr<Multicast> multicast(new Multicast(worker, port, std::move(on_datagram)));
  Status last;
  bool any = false;
  for (Socket& socket : multicast->sockets_) {
    Status opened = multicast->open_socket(socket);
    if (opened) {
      any = true;
      multicast->wait(socket);
    } else {
      last = std::move(opened);
    }
  }
  if (!any) return fail(std::move(last.error()));
  return multicast;
}

Status Multicast::open_socket(Socket& socket) {
  const auto failed = [&](std::string_view what) {
    const int error = errno;
    if (socket.fd >= 0) ::close(std::exchange(socket.fd, -1));
    return fail(Code::kUnavailable,
                fmt::format("UDP port {} over {}: {}: {}", port_, socket.family == AF_INET ? "IPv4" : "IPv6", what,
                            std::strerror(error)));
  };
  socket.fd = ::socket(socket.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket.fd < 0) return failed("no socket");
  if (!prepare(socket.fd, socket.family)) return failed("an option is refused");
  if (!bind_to(socket.fd, socket.family, port_)) return failed("cannot bind");
  join(socket);
  if (socket.joined.empty()) {
    errno = ENODEV;
    return failed("no interface joins the group");
  }
  auto watch = net::FdWatch::open(worker_, socket.fd);
  if (!watch) return failed("cannot be watched");
  socket.watch = std::move(*watch);
  return {};
}

void Multicast::join(Socket& socket) {
  for (const Interface& interface : interfaces_) {
    if (std::ranges::find(socket.joined, interface.index) != socket.joined.end()) continue;
    int result = -1;
    if (socket.family == AF_INET) {
      ip_mreqn group{};
      ::inet_pton(AF_INET, kGroup4, &group.imr_multiaddr);
      group.imr_ifindex = static_cast<int>(interface.index);
      result = ::setsockopt(socket.fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group);
    } else {
      ipv6_mreq group{};
      ::inet_pton(AF_INET6, kGroup6, &group.ipv6mr_multiaddr);
      group.ipv6mr_interface = interface.index;
      result = ::setsockopt(socket.fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &group, sizeof group);
    }
    if (result == 0 || errno == EADDRINUSE) socket.joined.push_back(interface.index);
  }
}

void Multicast::look() {
  std::vector<Interface> now = list_interfaces();
  if (now == interfaces_) return;
  interfaces_ = std::move(now);
  for (Socket& socket : sockets_) {
    if (socket.fd < 0) continue;
    // The kernel has left those that are gone.
    std::erase_if(socket.joined, [&](unsigned index) {
      return std::ranges::none_of(interfaces_, [&](const Interface& one) { return one.index == index; });
    });
    join(socket);
  }
}

bool Multicast::is_own(std::string_view address) const {
  return std::ranges::any_of(interfaces_, [&](const Interface& one) {
    return std::ranges::find(one.addresses, address) != one.addresses.end() ||
           std::ranges::find(one.link_local, address) != one.link_local.end();
  });
}

void Multicast::send(const Interface& to, std::string_view bytes) {
  for (const Socket& socket : sockets_) {
    if (std::ranges::find(socket.joined, to.index) == socket.joined.end()) continue;
    if (socket.family == AF_INET) {
      sockaddr_in group{.sin_family = AF_INET, .sin_port = htons(port_)};
      ::inet_pton(AF_INET, kGroup4, &group.sin_addr);
      send_datagram(socket.fd, reinterpret_cast<const sockaddr*>(&group), sizeof group, to.index, bytes);
    } else {
      sockaddr_in6 group{.sin6_family = AF_INET6, .sin6_port = htons(port_)};
      ::inet_pton(AF_INET6, kGroup6, &group.sin6_addr);
      group.sin6_scope_id = to.index;
      send_datagram(socket.fd, reinterpret_cast<const sockaddr*>(&group), sizeof group, to.index, bytes);
    }
  }
}

void Multicast::send_to(const Source& to, std::string_view bytes) {
  for (const Socket& socket : sockets_) {
    if (socket.fd < 0 || socket.family != to.raw.ss_family) continue;
    const socklen_t size = socket.family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    send_datagram(socket.fd, reinterpret_cast<const sockaddr*>(&to.raw), size, 0, bytes);
  }
}

void Multicast::wait(Socket& socket) {
  socket.watch->wait_readable(SteadyTime::max(), [this, &socket](Status) { receive(socket); });
}

void Multicast::receive(Socket& socket) {
  std::array<char, kMaxDnsMessage> bytes;
  for (int i = 0; i < kDatagramsATurn; ++i) {
    sockaddr_storage from{};
    iovec part{.iov_base = bytes.data(), .iov_len = bytes.size()};
    alignas(cmsghdr) std::array<char, 256> control{};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(socket.fd, &message, 0);
    if (size < 0) break;
    const unsigned interface = interface_of(message);
    if ((message.msg_flags & MSG_TRUNC) != 0 || interface == 0) continue;
    on_datagram_({bytes.data(), static_cast<std::size_t>(size)}, source_of(from, interface));
  }
  wait(socket);
}

}  // namespace tandem::components
