#include "api/grpc/internal/internal_door.h"

#include <utility>

namespace tandem::api::grpc {

Result<std::unique_ptr<InternalDoor>> InternalDoor::listen(net::Workers& workers, const net::ListenOn& place,
                                                           InternalOptions options, net::grpc::CallService* others) {
  std::unique_ptr<InternalDoor> door(new InternalDoor(std::move(options), others));
  auto server = net::grpc::CallServer::listen(workers, place, {.max_message_bytes = door->options_.max_message_bytes},
                                              door->service_);
  if (!server) return fail(std::move(server.error()));
  door->server_ = std::move(*server);
  return door;
}

}  // namespace tandem::api::grpc
