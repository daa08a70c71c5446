// A secret store in a program of its own: Dapr's SecretStore service.
//
// Owned by SecretService; see secret_store.h for threads. Completions run on gRPC's threads. A call ends with its
// caller's deadline, else after Connection::kCallLimit.
#pragma once

#include <memory>
#include <string>

#include "blocks/secrets/secret_store.h"
#include "components/grpc/connection.h"
#include "dapr/proto/components/v1/secretstore.grpc.pb.h"

namespace tandem::components::grpc {

class GrpcSecretStore final : public secrets::Store {
 public:
  // Initialises the component with `properties`, and asks for its features. Waits, until `deadline`.
  static Result<std::unique_ptr<GrpcSecretStore>> open(std::shared_ptr<Connection> connection,
                                                       const Metadata& properties, SteadyTime deadline);
  ~GrpcSecretStore() override;

  secrets::Features features() const override { return features_; }
  void get(const CallContext& context, std::string name, Metadata metadata, Completion<secrets::Secret> done) override;
  void bulk_get(const CallContext& context, Metadata metadata, Completion<secrets::Secrets> done) override;
  void close(SteadyTime deadline) override;

 private:
  explicit GrpcSecretStore(std::shared_ptr<Connection> connection);

  const std::shared_ptr<Connection> connection_;
  ::dapr::proto::components::v1::SecretStore::Stub stub_;
  secrets::Features features_;  // constant once it is open
};

}  // namespace tandem::components::grpc
