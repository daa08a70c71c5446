// A gRPC server that starts with its first connection: the port is taken by listen(), gRPC itself (its threads and
// memory) comes to life when a client does.
//
// Owned by a door, made before the workers start, destroyed while they run or after they have stopped.
// stop_accepting(), drain() and the destructor run on one thread. listen() fails with one line that says what, where
// and what to do.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/support/server_interceptor.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.h"
#include "net/listening_socket.h"
#include "net/worker.h"

namespace tandem::api::grpc {

// What is served. All of it outlives the server.
struct ServedMethods {
  ::grpc::Service* service = nullptr;
  // For every method that the service has not; null: they are UNIMPLEMENTED.
  ::grpc::CallbackGenericService* others = nullptr;
  // Of a message in either direction.
  std::size_t max_message_bytes = 0;
  // How many calls have ended without an answer of ours.
  std::function<std::size_t()> cancelled;
  // Makes what sees every call, when the server starts; null: nothing does.
  using Interceptor = std::function<std::unique_ptr<::grpc::experimental::ServerInterceptorFactoryInterface>()>;
  Interceptor interceptor = nullptr;
};

// How a drain ended.
enum class Drained {
  kFinished,  // every call that had been begun was answered
  kCut,       // at least one was not
};

class LazyServer final {
 public:
  // Connections are accepted on `worker`.
  static Result<std::unique_ptr<LazyServer>> listen(net::Worker& worker, const net::ListenOn& place,
                                                    ServedMethods methods);
  LazyServer(const LazyServer&) = delete;
  LazyServer& operator=(const LazyServer&) = delete;
  // Cancels the calls that are left and waits until gRPC is done with them.
  ~LazyServer();

  std::uint16_t port() const;

  // Another one has taken this one's place: new connections are for it, calls on those that are there go on.
  void stop_accepting();
  // Refuses new connections, tells clients to go, lets calls finish, and cancels what is left after `limit`. `done`
  // runs once, on a thread of its own or inside drain(), when no call is left. Only the first call counts.
  void drain(std::chrono::milliseconds limit, std::move_only_function<void(Drained)> done);

 private:
  class Impl;
  explicit LazyServer(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::api::grpc
