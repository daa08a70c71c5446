// A client's connection, plain or TLS: the one place where the two differ.
//
// Owned by the call that uses it or by the pool; the worker's thread only.
#pragma once

#include <openssl/ssl.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

namespace tandem::net {

// The address as a filter sees it: an IPv4 address in its IPv6 form is an IPv4 address.
inline std::string plain_ip(const boost::asio::ip::address& address) {
  if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return address.to_string();
  return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6()).to_string();
}

class ClientTransport final {
 public:
  explicit ClientTransport(boost::asio::io_context& io) : socket(io) {}

  // Everything goes through TLS from now on; handshake with tls().async_handshake().
  void use_tls(boost::asio::ssl::context& context) {
    tls_ = std::make_unique<boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>>(socket, context);
  }
  boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>& tls() { return *tls_; }

  template <class Handler>
  void read_some(boost::asio::mutable_buffer into, Handler handler) {
    if (tls_) {
      tls_->async_read_some(into, std::move(handler));
    } else {
      socket.async_read_some(into, std::move(handler));
    }
  }

  template <class Buffers, class Handler>
  void write(const Buffers& buffers, Handler handler) {
    if (tls_) {
      boost::asio::async_write(*tls_, buffers, std::move(handler));
    } else {
      boost::asio::async_write(socket, buffers, std::move(handler));
    }
  }

  // False when the peer has closed the connection or sent something unasked.
  bool quiet() {
    char byte;
    const ssize_t got = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }

  void close() {
    boost::system::error_code ignored;
    socket.close(ignored);
  }

  boost::asio::ip::tcp::socket socket;
  boost::asio::ip::tcp::endpoint remote;

 private:
  std::unique_ptr<boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>> tls_;
};

}  // namespace tandem::net
