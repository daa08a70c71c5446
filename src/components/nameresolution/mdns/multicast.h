// The sockets of multicast DNS: UDP port 5353, IPv4 and IPv6, on every interface that is up, loopback included.
//
// Made, used and destroyed on one worker, or destroyed after it has stopped. Other programs of the machine share the
// port. What was not sent to the group is not heard, so nothing comes from further than the links. Where one of the two
// protocols is not there it does without; open() fails when neither is. What cannot be sent is lost, as it may be
// anyway.
#pragma once

#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/fd_watch.h"
#include "net/worker.h"

namespace tandem::components {

// A link of this machine.
struct Interface {
  unsigned index = 0;
  std::string name;
  bool loopback = false;
  std::vector<std::string> addresses;   // IPv4 first
  std::vector<std::string> link_local;  // of IPv6: good on this link alone

  bool operator==(const Interface&) const = default;
};

// Those that are up and can multicast, and loopback.
std::vector<Interface> list_interfaces();

// Where a datagram came from.
struct Source {
  std::string address;  // without a scope
  std::uint16_t port = 0;
  unsigned interface = 0;  // that it came in by
  sockaddr_storage raw{};
};

class Multicast final {
 public:
  using OnDatagram = std::function<void(std::string_view bytes, const Source& source)>;

  // `port` is 5353 but for tests.
  static Result<std::unique_ptr<Multicast>> open(net::Worker& worker, std::uint16_t port, OnDatagram on_datagram);
  Multicast(const Multicast&) = delete;
  Multicast& operator=(const Multicast&) = delete;
  ~Multicast();

  // Of the last look.
  const std::vector<Interface>& interfaces() const { return interfaces_; }
  // Looks at the machine's interfaces, and joins those that are new.
  void look();
  bool is_own(std::string_view address) const;

  void send(const Interface& to, std::string_view bytes);
  void send_to(const Source& to, std::string_view bytes);

 private:
  struct Socket {
    int family = AF_INET;
    int fd = -1;
    std::unique_ptr<net::FdWatch> watch;
    std::vector<unsigned> joined;
  };

  Multicast(net::Worker& worker, std::uint16_t port, OnDatagram on_datagram);
  Status open_socket(Socket& socket);
  void join(Socket& socket);
  void wait(Socket& socket);
  void receive(Socket& socket);

  net::Worker& worker_;
  const std::uint16_t port_;
  const OnDatagram on_datagram_;
  std::array<Socket, 2> sockets_;
  std::vector<Interface> interfaces_;
};

}  // namespace tandem::components
