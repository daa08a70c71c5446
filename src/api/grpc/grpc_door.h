// Dapr's gRPC API of one app: a port of the workers' own server of gRPC (net/grpc/call_server.h).
//
// One for each app, so the port is the caller's identity. Owned by whoever wires the process, made before the workers
// start, destroyed while they run or after they have stopped. stop_accepting(), drain() and the destructor run on one
// thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "api/grpc/api_options.h"
#include "base/result.h"
#include "net/http_server.h"
#include "net/listening_socket.h"
#include "net/worker.h"

namespace tandem::api::grpc {

class GrpcDoor final {
 public:
  // Fails with one line that says what, where and what to do.
  static Result<std::unique_ptr<GrpcDoor>> listen(net::Workers& workers, const net::ListenOn& place,
                                                  ApiOptions options);
  GrpcDoor(const GrpcDoor&) = delete;
  GrpcDoor& operator=(const GrpcDoor&) = delete;
  // Cuts the calls that are left.
  ~GrpcDoor();

  std::uint16_t port() const;

  // Another one has taken this one's place: new connections are for it, calls on those that are there go on.
  void stop_accepting();
  // Refuses new connections, tells clients to go, lets calls finish, and cuts what is left after `limit`. `done` runs
  // once, on a worker, when no connection is left. Only the first call counts.
  void drain(std::chrono::milliseconds limit, std::move_only_function<void(net::Drained)> done);

 private:
  class Impl;
  explicit GrpcDoor(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::api::grpc
