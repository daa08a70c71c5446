// Accepts connections for a library that reads and writes sockets on threads of its own (gRPC).
//
// The port is taken by listen(); connections are accepted once the worker runs, and wait until then. Each is handed
// over as a file descriptor, on the worker. Owned by whoever wires the process, destroyed before the Workers. close()
// and the destructor run on any other thread, or when the workers have stopped; after them nothing is handed over any
// more. listen() fails with one line that says what, where and what to do.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.h"
#include "net/listening_socket.h"
#include "net/worker.h"

namespace tandem::net {

class SocketAcceptor final {
 public:
  // Takes over a connected socket that does not block.
  using OnSocket = std::function<void(int socket)>;

  static Result<std::unique_ptr<SocketAcceptor>> listen(Worker& worker, const ListenOn& place, OnSocket on_socket);
  SocketAcceptor(const SocketAcceptor&) = delete;
  SocketAcceptor& operator=(const SocketAcceptor&) = delete;
  ~SocketAcceptor();

  std::uint16_t port() const { return port_; }

  // New connections are refused from now on.
  void close();

 private:
  struct Loop;
  SocketAcceptor(std::uint16_t port, std::shared_ptr<Loop> loop) : port_(port), loop_(std::move(loop)) {}

  const std::uint16_t port_;
  const std::shared_ptr<Loop> loop_;
};

}  // namespace tandem::net
