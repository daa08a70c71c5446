#include "api/grpc/grpc_door.h"

#include <utility>

#include "api/grpc/api_log.h"
#include "api/grpc/dapr_service.h"
#include "api/grpc/unserved_methods.h"

namespace tandem::api::grpc {

class GrpcDoor::Impl final {
 public:
  explicit Impl(ApiOptions options) : options_(std::move(options)), service_(options_), unserved_(options_) {}

  Status listen(net::Worker& worker, const net::ListenOn& place) {
    ServedMethods::Interceptor logged;
    if (options_.log != nullptr) logged = [this] { return std::make_unique<ApiLog>(options_); };
    auto server = LazyServer::listen(worker, place,
                                     {.service = &service_,
                                      .others = &unserved_,
                                      .max_message_bytes = options_.max_message_bytes,
                                      .cancelled = [this] { return service_.cancelled() + unserved_.cancelled(); },
                                      .interceptor = std::move(logged)});
    if (!server) return fail(std::move(server.error()));
    server_ = std::move(*server);
    return {};
  }

  LazyServer& server() const { return *server_; }

 private:
  const ApiOptions options_;
  DaprService service_;
  UnservedMethods unserved_;
  std::unique_ptr<LazyServer> server_;
};

Result<std::unique_ptr<GrpcDoor>> GrpcDoor::listen(net::Worker& worker, const net::ListenOn& place,
                                                   ApiOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  if (Status listening = impl->listen(worker, place); !listening) return fail(std::move(listening.error()));
  return std::unique_ptr<GrpcDoor>(new GrpcDoor(std::move(impl)));
}

GrpcDoor::GrpcDoor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GrpcDoor::~GrpcDoor() = default;
std::uint16_t GrpcDoor::port() const { return impl_->server().port(); }
void GrpcDoor::stop_accepting() { impl_->server().stop_accepting(); }

void GrpcDoor::drain(std::chrono::milliseconds limit, std::move_only_function<void(Drained)> done) {
  impl_->server().drain(limit, std::move(done));
}

}  // namespace tandem::api::grpc
