// A server of gRPC on the workers: a port of HTTP/2 whose requests are calls.
//
// Owned by a door, made before the workers start or after, destroyed while they run or after they have stopped; not on
// a worker's thread. stop_accepting(), drain() and the destructor run on one thread. listen() fails with one line that
// says what, where and what to do. What is no call of gRPC is refused as grpc-go refuses it; settings of connections
// are daprd's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"
#include "net/grpc/server_call.h"
#include "net/http_server.h"
#include "net/listening_socket.h"
#include "net/worker.h"

namespace tandem::net::grpc {

class CallServer final {
 public:
  // `service` outlives the server.
  static Result<std::unique_ptr<CallServer>> listen(net::Workers& workers, const net::ListenOn& place, CallRules rules,
                                                    CallService& service);
  CallServer(const CallServer&) = delete;
  CallServer& operator=(const CallServer&) = delete;
  // Cuts the calls that are left, and waits until what they had posted to the workers has run.
  ~CallServer();

  std::uint16_t port() const { return server_->port(); }

  // Another one has taken this one's place: new connections are for it, calls on those that are there go on.
  void stop_accepting() { server_->stop_accepting(); }
  // Refuses new connections, tells clients to go, lets calls finish, and cuts what is left after `limit`. `done` runs
  // once, on a worker, when no connection is left. Only the first call counts.
  void drain(std::chrono::milliseconds limit, std::move_only_function<void(net::Drained)> done) {
    server_->drain(limit, std::move(done));
  }

 private:
  class CallHandler;
  CallServer(net::Workers& workers, CallRules rules);

  net::Workers& workers_;
  const CallRules rules_;
  std::vector<std::unique_ptr<CallHandler>> handlers_;  // one a worker
  std::unique_ptr<net::HttpServer> server_;
};

// Answers a request that is no call, or hands the call to `service`: what a server does with each.
void take_call(std::unique_ptr<net::Exchange> exchange, net::Worker& worker, const CallRules& rules,
               CallService& service);

}  // namespace tandem::net::grpc
