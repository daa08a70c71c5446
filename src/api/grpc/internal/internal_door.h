// Dapr's internal gRPC of one app: the port at which other sidecars call it.
//
// One for each app. Nobody proves who he is there (Dapr's sidecars do by mTLS, which Tandem has not), so it listens on
// a loopback address unless told otherwise. Owned by whoever wires the process, made before the workers start,
// destroyed while they run or after they have stopped. stop_accepting(), drain() and the destructor run on one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "api/grpc/internal/internal_service.h"
#include "base/result.h"
#include "net/grpc/call_server.h"

namespace tandem::api::grpc {

class InternalDoor final {
 public:
  // `others` takes every method that is not ServiceInvocation's, and outlives the door; null: they are UNIMPLEMENTED.
  // Fails with one line that says what, where and what to do.
  static Result<std::unique_ptr<InternalDoor>> listen(net::Workers& workers, const net::ListenOn& place,
                                                      InternalOptions options,
                                                      net::grpc::CallService* others = nullptr);

  std::uint16_t port() const { return server_->port(); }
  // Another one has taken this one's place: new connections are for it, calls on those that are there go on.
  void stop_accepting() { server_->stop_accepting(); }
  void drain(std::chrono::milliseconds limit, std::move_only_function<void(net::Drained)> done) {
    server_->drain(limit, std::move(done));
  }

 private:
  InternalDoor(InternalOptions options, net::grpc::CallService* others)
      : options_(std::move(options)), service_(options_, others) {}

  const InternalOptions options_;
  InternalService service_;
  std::unique_ptr<net::grpc::CallServer> server_;
};

}  // namespace tandem::api::grpc
