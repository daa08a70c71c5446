#include "net/host_address.h"

#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/udp.hpp>

namespace tandem::net {

std::string host_address() {
  using boost::asio::ip::udp;
  boost::asio::io_context io;
  // Addresses of documentation: whatever route they would take is the one to anywhere.
  for (const char* anywhere : {"192.0.2.1", "2001:db8::1"}) {
    boost::system::error_code error;
    const udp::endpoint to(boost::asio::ip::make_address(anywhere), 80);
    udp::socket socket(io);
    socket.open(to.protocol(), error);
    if (!error) socket.connect(to, error);
    const udp::endpoint from = error ? udp::endpoint() : socket.local_endpoint(error);
    if (!error && !from.address().is_unspecified()) return from.address().to_string();
  }
  return {};
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string();
}

}  // namespace tandem::net
