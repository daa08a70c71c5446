#include "net/listening_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "net/held_sockets.h"

namespace tandem::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr int kPortAttempts = 16;  // a port that is free at one address may be taken at the next

// "[::1]" is written for "::1" where a port may follow.
std::string literal(const std::string& address) {
  if (address == "localhost") return "127.0.0.1";
  if (address.size() > 2 && address.front() == '[' && address.back() == ']') {
    return address.substr(1, address.size() - 2);
  }
  return address;
}

bool is_missing(const error_code& error) {
  return error == boost::system::errc::address_not_available ||
         error == boost::system::errc::address_family_not_supported;
}

std::unexpected<Error> refused(const ListenOn& place, const error_code& error) {
  if (error == asio::error::address_in_use) {
    return cannot_listen(place, Code::kAlreadyExists, "address already in use");
  }
  if (error == asio::error::access_denied) {
    return cannot_listen(place, Code::kPermissionDenied,
                         place.unix_socket.empty()
                             ? "permission denied (ports below 1024 need the privilege to bind them)"
                             : "permission denied");
  }
  if (is_missing(error)) return cannot_listen(place, Code::kInvalidArgument, "this machine does not have that address");
  return cannot_listen(place, Code::kUnavailable, error.message());
}

ListeningSocket open_one(asio::io_context& io, const tcp::endpoint& endpoint, const asio::ip::v6_only* only_v6,
                         error_code& error) {
  ListeningSocket listener(io);
  if (const int held = HeldSockets::take(io, endpoint.data(), endpoint.size()).socket; held >= 0) {
    listener.assign(endpoint.protocol(), held, error);
    return listener;
  }
  listener.open(endpoint.protocol(), error);
  if (!error) listener.set_option(asio::socket_base::reuse_address(true), error);
  if (!error && only_v6 != nullptr) listener.set_option(*only_v6, error);
  if (!error) listener.bind(endpoint, error);
  if (!error) listener.listen(asio::socket_base::max_listen_connections, error);
  if (!error) HeldSockets::keep(io, listener.native_handle());
  return listener;
}

// All addresses at `port`; `taken` says that trying again may help.
Result<Listeners> open_at(asio::io_context& io, const ListenOn& place, const std::vector<asio::ip::address>& addresses,
                          const std::vector<std::string>& names, std::uint16_t port, bool& taken) {
  Listeners out;
  out.port = port;
  std::size_t missing = addresses.size();
  error_code missing_error;
  const asio::ip::v6_only only_v6(true);  // else :: takes 0.0.0.0 with it
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    error_code error;
    const bool alone = addresses.size() == 1 || !addresses[i].is_v6();
    auto listener = open_one(io, tcp::endpoint(addresses[i], out.port), alone ? nullptr : &only_v6, error);
    if (is_missing(error)) {
      if (missing == addresses.size()) missing = i;
      missing_error = error;
      continue;
    }
    if (!error && out.port == 0) {
      tcp::endpoint bound;
      const auto local = listener.local_endpoint(error);
      bound.resize(local.size());
      std::memcpy(bound.data(), local.data(), local.size());
      out.port = bound.port();
    }
    if (error) {
      taken = error == asio::error::address_in_use;
      ListenOn named = place;
      named.address = names[i];
      return refused(named, error);
    }
    out.sockets.push_back(std::move(listener));
  }
  if (!out.sockets.empty()) return out;
  ListenOn named = place;
  named.address = names[missing];
  return refused(named, missing_error);
}

// Takes away what a server that is gone has left.
Status clear_path(const ListenOn& place) {
  const std::string& path = place.unix_socket;
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) return {};  // bind() says what is wrong with the folder
  if (!S_ISSOCK(found.st_mode)) {
    return cannot_listen(place, Code::kAlreadyExists, "there is a file of that name, which is no socket");
  }
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, path.data(), path.size());
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (probe < 0) return cannot_listen(place, Code::kResourceExhausted, "too many open files; raise the limit");
  const int outcome = ::connect(probe, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 ? 0 : errno;
  ::close(probe);
  if (outcome == 0 || outcome == EAGAIN) {
    return cannot_listen(place, Code::kAlreadyExists, "another process listens there");
  }
  if (outcome != ECONNREFUSED) {
    return cannot_listen(place, Code::kPermissionDenied,
                         "what is there cannot be asked: " + std::system_category().message(outcome));
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return cannot_listen(place, Code::kPermissionDenied,
                         "what is left there cannot be removed: " + std::system_category().message(errno));
  }
  return {};
}

Result<Listeners> open_unix(asio::io_context& io, const ListenOn& place) {
  if (place.unix_socket.size() >= sizeof(sockaddr_un::sun_path)) {
    return cannot_listen(place, Code::kInvalidArgument,
                         "the name is longer than " + std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " bytes");
  }
  const asio::local::stream_protocol::endpoint endpoint(place.unix_socket);
  error_code error;
  ListeningSocket listener(io);
  Listeners out;
  if (auto held = HeldSockets::take(io, endpoint.data(), endpoint.size()); held.socket >= 0) {
    out.file = std::move(held.file);
    listener.assign(endpoint.protocol(), held.socket, error);
    if (error) return refused(place, error);
  } else {
    if (Status cleared = clear_path(place); !cleared) return fail(std::move(cleared.error()));
    listener.open(endpoint.protocol(), error);
    if (!error) listener.bind(endpoint, error);
    if (error) return refused(place, error);
    out.file = std::make_unique<SocketFile>(place.unix_socket);
    listener.listen(asio::socket_base::max_listen_connections, error);
    if (error) return refused(place, error);
    HeldSockets::keep(io, listener.native_handle(), out.file.get());
  }
  out.sockets.push_back(std::move(listener));
  return out;
}

}  // namespace

std::unexpected<Error> cannot_listen(const ListenOn& place, Code code, std::string why) {
  const std::string address = literal(place.address);
  const bool v6 = address.find(':') != std::string::npos;
  const std::string where = place.unix_socket.empty()
                                ? (v6 ? "[" + address + "]" : place.address) + ":" + std::to_string(place.port)
                                : place.unix_socket;
  std::string message = "cannot listen on " + where + " for " + place.purpose + ": " + std::move(why);
  if (!place.hint.empty()) message += "; " + place.hint;
  return fail(code, std::move(message));
}

Result<Listeners> open_listeners(asio::io_context& io, const ListenOn& place) {
  if (!place.unix_socket.empty()) return open_unix(io, place);
  std::vector<std::string> names{place.address};
  names.insert(names.end(), place.more_addresses.begin(), place.more_addresses.end());
  std::vector<asio::ip::address> addresses;
  for (const std::string& name : names) {
    error_code error;
    addresses.push_back(asio::ip::make_address(literal(name), error));
    if (error) {
      ListenOn named = place;
      named.address = name;
      return cannot_listen(named, Code::kInvalidArgument, "\"" + name + "\" is not an IP address");
    }
  }
  for (int attempt = 1;; ++attempt) {
    bool taken = false;
    auto opened = open_at(io, place, addresses, names, place.port, taken);
    if (opened || !taken || place.port != 0 || attempt == kPortAttempts) return opened;
  }
}

}  // namespace tandem::net
