#include "api/grpc/grpc_door.h"

#include <optional>
#include <utility>

#include "api/grpc/api_log.h"
#include "api/grpc/dapr_service.h"
#include "api/grpc/reflection.h"
#include "api/grpc/unserved_methods.h"
#include "net/grpc/call_server.h"

namespace tandem::api::grpc {

class GrpcDoor::Impl final : private net::grpc::CallService {
 public:
  explicit Impl(ApiOptions options) : options_(std::move(options)), service_(options_), unserved_(options_) {
    if (options_.log != nullptr) log_.emplace(options_);
  }

  tandem::Status listen(net::Workers& workers, const net::ListenOn& place) {
    net::grpc::CallRules rules{.max_message_bytes = options_.max_message_bytes};
    if (log_) {
      rules.ended = [this](const auto& call, ::grpc::StatusCode code, auto duration) {
        log_->write(call, code, duration);
      };
    }
    auto server = net::grpc::CallServer::listen(workers, place, std::move(rules), *this);
    if (!server) return fail(std::move(server.error()));
    server_ = std::move(*server);
    return {};
  }

  net::grpc::CallServer& server() const { return *server_; }

 private:
  void serve(net::grpc::IncomingCall call) override {
    if (service_.serve(call) || reflect(options_, call)) return;
    unserved_.serve(std::move(call));
  }

  const ApiOptions options_;
  std::optional<ApiLog> log_;
  DaprService service_;
  UnservedMethods unserved_;
  std::unique_ptr<net::grpc::CallServer> server_;
};

Result<std::unique_ptr<GrpcDoor>> GrpcDoor::listen(net::Workers& workers, const net::ListenOn& place,
                                                   ApiOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  if (Status listening = impl->listen(workers, place); !listening) return fail(std::move(listening.error()));
  return std::unique_ptr<GrpcDoor>(new GrpcDoor(std::move(impl)));
}

GrpcDoor::GrpcDoor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GrpcDoor::~GrpcDoor() = default;
std::uint16_t GrpcDoor::port() const { return impl_->server().port(); }
void GrpcDoor::stop_accepting() { impl_->server().stop_accepting(); }

void GrpcDoor::drain(std::chrono::milliseconds limit, std::move_only_function<void(net::Drained)> done) {
  impl_->server().drain(limit, std::move(done));
}

}  // namespace tandem::api::grpc
