// Sockets that listen, and one clear line when they cannot.
//
// No SO_REUSEPORT: a second start on the same port fails. Plain functions, any thread that may use the io_context.
#pragma once

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/socket_file.h"

namespace tandem::net {

using ListeningSocket = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;

struct ListenOn {
  std::string address = "127.0.0.1";  // an IP address, "[::1]" as well as "::1", or "localhost"
  // At the same port. One that this machine does not have is left out as long as another one is there.
  std::vector<std::string> more_addresses;
  std::uint16_t port = 0;   // 0: any free port, the same one for all addresses
  std::string unix_socket;  // a file name: in place of the addresses
  std::string purpose;      // for errors: "the Dapr HTTP API"
  std::string hint;         // for errors: "choose another with --dapr-http-port"
};

struct Listeners {
  std::vector<ListeningSocket> sockets;
  std::uint16_t port = 0;            // 0 for a Unix domain socket
  std::unique_ptr<SocketFile> file;  // null for addresses
};

// "cannot listen on 127.0.0.1:3500 for …: why; hint"
std::unexpected<Error> cannot_listen(const ListenOn& place, Code code, std::string why);

Result<Listeners> open_listeners(boost::asio::io_context& io, const ListenOn& place);

}  // namespace tandem::net
