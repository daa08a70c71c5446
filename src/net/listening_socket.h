// A TCP socket that listens, and one clear line when it cannot.
//
// No SO_REUSEPORT: a second start on the same port fails. Plain functions, any thread that may use the io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <string>

#include "base/result.h"

namespace tandem::net {

struct ListenOn {
  std::string address = "127.0.0.1";  // an IP address, or "localhost"
  std::uint16_t port = 0;             // 0: any free port
  std::string purpose;                // for errors: "the Dapr HTTP API"
  std::string hint;                   // for errors: "choose another with --dapr-http-port"
};

// "cannot listen on 127.0.0.1:3500 for …: why; hint"
std::unexpected<Error> cannot_listen(const ListenOn& place, Code code, std::string why);

Result<boost::asio::ip::tcp::acceptor> open_listener(boost::asio::io_context& io, const ListenOn& place);

}  // namespace tandem::net
