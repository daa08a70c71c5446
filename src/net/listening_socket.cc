#include "net/listening_socket.h"

#include <boost/asio/ip/address.hpp>
#include <utility>

#include "net/held_sockets.h"

namespace tandem::net {
namespace asio = boost::asio;
using asio::ip::tcp;

std::unexpected<Error> cannot_listen(const ListenOn& place, Code code, std::string why) {
  const bool v6 = place.address.find(':') != std::string::npos;
  std::string message = "cannot listen on " + (v6 ? "[" + place.address + "]" : place.address) + ":" +
                        std::to_string(place.port) + " for " + place.purpose + ": " + std::move(why);
  if (!place.hint.empty()) message += "; " + place.hint;
  return fail(code, std::move(message));
}

Result<tcp::acceptor> open_listener(asio::io_context& io, const ListenOn& place) {
  boost::system::error_code error;
  const std::string literal = place.address == "localhost" ? "127.0.0.1" : place.address;
  const auto address = asio::ip::make_address(literal, error);
  if (error) {
    return cannot_listen(place, Code::kInvalidArgument, "\"" + place.address + "\" is not an IP address");
  }
  const tcp::endpoint endpoint(address, place.port);
  tcp::acceptor listener(io);
  if (const int held = HeldSockets::take(io, endpoint.data(), endpoint.size()); held >= 0) {
    listener.assign(endpoint.protocol(), held, error);
    if (error) return cannot_listen(place, Code::kInternal, error.message());
    return listener;
  }
  listener.open(endpoint.protocol(), error);
  if (!error) listener.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) listener.bind(endpoint, error);
  if (!error) listener.listen(asio::socket_base::max_listen_connections, error);
  if (!error) {
    HeldSockets::keep(io, listener.native_handle());
    return listener;
  }
  if (error == asio::error::address_in_use) {
    return cannot_listen(place, Code::kAlreadyExists, "address already in use");
  }
  if (error == asio::error::access_denied) {
    return cannot_listen(place, Code::kPermissionDenied,
                         "permission denied (ports below 1024 need the privilege to bind them)");
  }
  if (error == boost::system::errc::address_not_available) {
    return cannot_listen(place, Code::kInvalidArgument, "this machine does not have that address");
  }
  return cannot_listen(place, Code::kUnavailable, error.message());
}

}  // namespace tandem::net
