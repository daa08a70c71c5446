// Dapr's gRPC API of one app: a port, and behind it a gRPC server that starts with the first connection
// (lazy_server.h).
//
// One for each app, so the port is the caller's identity. Owned by whoever wires the process, made before the workers
// start, destroyed while they run or after they have stopped. stop_accepting(), drain() and the destructor run on one
// thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "api/grpc/api_options.h"
#include "api/grpc/lazy_server.h"
#include "base/result.h"
#include "net/listening_socket.h"
#include "net/worker.h"

namespace tandem::api::grpc {

class GrpcDoor final {
 public:
  // Connections are accepted on `worker`. Fails with one line that says what, where and what to do.
  static Result<std::unique_ptr<GrpcDoor>> listen(net::Worker& worker, const net::ListenOn& place, ApiOptions options);
  GrpcDoor(const GrpcDoor&) = delete;
  GrpcDoor& operator=(const GrpcDoor&) = delete;
  // Cancels the calls that are left and waits until gRPC is done with them.
  ~GrpcDoor();

  std::uint16_t port() const;

  // Another one has taken this one's place: new connections are for it, calls on those that are there go on.
  void stop_accepting();
  // Refuses new connections, tells clients to go, lets calls finish, and cancels what is left after `limit`. `done`
  // runs once, on a thread of its own or inside drain(), when no call is left. Only the first call counts.
  void drain(std::chrono::milliseconds limit, std::move_only_function<void(Drained)> done);

 private:
  class Impl;
  explicit GrpcDoor(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::api::grpc
