#include "api/grpc/internal/internal_door.h"

#include <utility>

namespace tandem::api::grpc {

Result<std::unique_ptr<InternalDoor>> InternalDoor::listen(net::Worker& worker, const net::ListenOn& place,
                                                           InternalOptions options,
                                                           ::grpc::CallbackGenericService* others) {
  std::unique_ptr<InternalDoor> door(new InternalDoor(std::move(options)));
  auto server = LazyServer::listen(worker, place,
                                   {.service = &door->service_,
                                    .others = others,
                                    .max_message_bytes = door->options_.max_message_bytes,
                                    .cancelled = [service = &door->service_] { return service->cancelled(); }});
  if (!server) return fail(std::move(server.error()));
  door->server_ = std::move(*server);
  return door;
}

}  // namespace tandem::api::grpc
