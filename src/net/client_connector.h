// How a call gets a new connection: the name, the address filter, connecting, TLS.
//
// Shared by who waits for it and its pending operations; the worker's thread only. `done` runs once, possibly inside
// start(), and not after abandon(). Failures name host:port: kUnavailable (no name, no connection, TLS), or
// kPermissionDenied (AddressFilter). It has no time-out of its own: who waits abandons it.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/client_pool.h"
#include "net/client_transport.h"
#include "net/http_client.h"
#include "net/resolver.h"

namespace tandem::net {

class ClientConnector final : public std::enable_shared_from_this<ClientConnector> {
 public:
  using Done = std::move_only_function<void(Result<std::unique_ptr<ClientTransport>>)>;

  ClientConnector(std::shared_ptr<ClientPool> pool, const ClientRequest& request, Done done);

  void start();
  void abandon();

 private:
  using Endpoint = boost::asio::ip::tcp::endpoint;

  void resolved(const Addresses& addresses);
  void connect_to(std::size_t index, boost::system::error_code first);
  void handshake();
  void connected();
  void fail_with(Code code, std::string message);

  const std::shared_ptr<ClientPool> pool_;
  const std::string scheme_;
  const std::string host_;  // without brackets
  const std::uint16_t port_;
  const std::string peer_;
  const std::chrono::milliseconds timeout_;
  const AddressFilter filter_;
  const ClientProtocol protocol_;
  const ClientVerify verify_;
  Done done_;  // null once it is over
  std::vector<Endpoint> endpoints_;
  std::unique_ptr<ClientTransport> transport_;
};

}  // namespace tandem::net
