// All of a client's HTTP/2 connections to one host, and the calls that wait for room on one.
//
// Shared by the pool and the connections. The worker's thread only. One connection carries all calls until the peer
// takes no more streams on it; then another one is made. One attempt to connect at a time: when it fails, all calls
// that wait fail as it did.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "net/client_connector.h"
#include "net/client_pool.h"

namespace tandem::net {

class Http2Call;
class Http2Link;

class Http2Host final : public std::enable_shared_from_this<Http2Host> {
 public:
  explicit Http2Host(std::shared_ptr<ClientPool> pool) : pool_(std::move(pool)) {}

  ClientPool& pool() { return *pool_; }

  // Has the call begin on a connection, now or later.
  void want(std::shared_ptr<Http2Call> call);
  // The call does not wait any more.
  void leave(const Http2Call& call);
  // There may be room for one more.
  void serve();
  void gone(const Http2Link& link);
  bool empty() const { return links_.empty() && waiting_.empty(); }
  // Connections without a call.
  std::size_t idle() const;
  // Closes all of them; their calls have been told.
  void close();

 private:
  void connect();
  void connected(Result<std::unique_ptr<ClientTransport>> transport);

  const std::shared_ptr<ClientPool> pool_;
  std::vector<std::shared_ptr<Http2Link>> links_;
  std::deque<std::shared_ptr<Http2Call>> waiting_;
  std::shared_ptr<ClientConnector> connector_;  // on behalf of the call that waits longest
  bool closed_ = false;
};

}  // namespace tandem::net
