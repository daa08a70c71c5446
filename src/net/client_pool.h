// What the calls of one HttpClient share: idle connections, TLS settings, the list of calls in flight.
//
// Shared by the client and its calls. The worker's thread only.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/result.h"
#include "net/client_transport.h"
#include "net/http_client.h"
#include "net/timeout_wheel.h"

namespace tandem::net {

class Http2Host;

// A call in flight, whatever it speaks.
class PendingCall {
 public:
  virtual ~PendingCall() = default;
  // The caller wants no more: the sink hears nothing.
  virtual void cancel() = 0;
  // The client goes: the sink hears kCancelled.
  virtual void stop() = 0;
};

class ClientPool final : public std::enable_shared_from_this<ClientPool>, private TimeoutEntry {
 public:
  ClientPool(Worker& worker, ClientOptions options);
  ~ClientPool();

  Worker& worker() { return worker_; }
  const ClientOptions& options() const { return options_; }

  // An open idle connection to a host whose address the filter allows, or null.
  std::unique_ptr<ClientTransport> take(const std::string& key, const AddressFilter& filter);
  void give_back(const std::string& key, std::unique_ptr<ClientTransport> transport);
  std::size_t idle() const;

  // The connections that speak HTTP/2 to a host. Null once the client has gone.
  std::shared_ptr<Http2Host> http2(const std::string& key);

  // Loads the authorities at the first call; fails with kInvalidArgument for a bad ca_pem.
  Result<boost::asio::ssl::context*> tls(ClientVerify verify);

  void add(const std::shared_ptr<PendingCall>& call) { calls_.insert(call); }
  void remove(const std::shared_ptr<PendingCall>& call) { calls_.erase(call); }
  // Fails every call, closes every connection, keeps none from now on.
  void close();

 private:
  struct Idle {
    std::unique_ptr<ClientTransport> transport;
    std::chrono::steady_clock::time_point expires;
  };

  void on_timeout() override;

  Worker& worker_;
  const ClientOptions options_;
  bool closed_ = false;
  std::unordered_map<std::string, std::deque<Idle>> idle_;
  std::unordered_map<std::string, std::shared_ptr<Http2Host>> http2_;
  std::optional<boost::asio::ssl::context> tls_;
  std::optional<boost::asio::ssl::context> unverified_;
  std::unordered_set<std::shared_ptr<PendingCall>> calls_;
};

}  // namespace tandem::net
