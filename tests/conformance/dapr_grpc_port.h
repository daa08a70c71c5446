// An app's Dapr gRPC port and a client of it: the gRPC API over the blocks under test, on a real connection.
//
// The client may be used by one thread at a time. Outlived by the services.
#pragma once

#include <grpcpp/client_context.h>

#include <chrono>
#include <memory>
#include <string>

#include "api/grpc/grpc_door.h"
#include "dapr/proto/runtime/v1/dapr.grpc.pb.h"
#include "net/worker.h"

namespace tandem::conformance {

class DaprGrpcPort final : private sidecar::MetadataSource {
 public:
  using Stub = ::dapr::proto::runtime::v1::Dapr::Stub;

  DaprGrpcPort(std::string app_id, state::StateService& state, pubsub::PubsubService& pubsub);
  ~DaprGrpcPort() override;

  // One unary call, as `call(&Stub::GetState, request)`. Blocks; what takes longer than 20 s fails.
  template <class Request, class Response>
  Result<Response> call(::grpc::Status (Stub::*method)(::grpc::ClientContext*, const Request&, Response*),
                        const Request& request) {
    ::grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    Response response;
    const ::grpc::Status status = ((*stub_).*method)(&context, request, &response);
    if (!status.ok()) return fail(error_of(status));
    return response;
  }

 private:
  sidecar::AppMetadata describe(std::string_view) const override { return {}; }
  // With the reason that the HTTP API has for it: the two name some failures differently.
  static Error error_of(const ::grpc::Status& status);

  secrets::SecretService secrets_;
  configuration::ConfigurationService configuration_;
  bindings::BindingService bindings_{{}};
  invoke::InvokeService invoke_;
  sidecar::AppLabels labels_;
  net::Workers workers_{1};
  std::unique_ptr<api::grpc::GrpcDoor> door_;
  std::unique_ptr<Stub> stub_;
};

}  // namespace tandem::conformance
