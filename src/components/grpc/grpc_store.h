// A state store in a program of its own: Dapr's StateStore service, with TransactionalStateStore where it is served.
//
// Owned by StateService; see state_store.h for threads. Completions run on gRPC's threads. The metadata of a request go
// to the component as they are, `ttlInSeconds` too: what it means there is the component's. A call ends with its
// caller's deadline, else after Connection::kCallLimit.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "blocks/state/state_store.h"
#include "components/grpc/connection.h"
#include "dapr/proto/components/v1/state.grpc.pb.h"

namespace tandem::components::grpc {

class GrpcStore final : public state::Store {
 public:
  // Initialises the component with `properties`, and asks for its features. `services` are those that the program
  // serves. Waits, until `deadline`.
  static Result<std::unique_ptr<GrpcStore>> open(std::shared_ptr<Connection> connection, const Metadata& properties,
                                                 std::span<const std::string> services, SteadyTime deadline);
  ~GrpcStore() override;

  // As the component says them: ETAG, TRANSACTIONAL, TTL …
  const std::vector<std::string>& feature_names() const { return feature_names_; }

  state::Features features() const override { return features_; }
  void ping(const CallContext& context, Completion<void> done) override;
  void get(const CallContext& context, const state::GetRequest& request, Completion<state::GetResponse> done) override;
  void set(const CallContext& context, state::SetRequest request, Completion<void> done) override;
  void remove(const CallContext& context, state::DeleteRequest request, Completion<void> done) override;
  void bulk_get(const CallContext& context, std::vector<std::string> keys,
                Completion<std::vector<state::BulkGetItem>> done) override;
  void bulk_set(const CallContext& context, std::vector<state::SetRequest> requests, Completion<void> done) override;
  void bulk_remove(const CallContext& context, std::vector<state::DeleteRequest> requests,
                   Completion<void> done) override;
  void transact(const CallContext& context, std::vector<state::Operation> operations, Completion<void> done) override;
  void close(SteadyTime deadline) override;

 private:
  using Service = ::dapr::proto::components::v1::StateStore;
  using Transactional = ::dapr::proto::components::v1::TransactionalStateStore;

  explicit GrpcStore(std::shared_ptr<Connection> connection);

  const std::shared_ptr<Connection> connection_;
  Service::Stub stub_;
  Transactional::Stub transactional_;
  // Constant once it is open.
  std::vector<std::string> feature_names_;
  state::Features features_;
  std::int64_t most_operations_ = 0;  // of one transaction; 0: as many as come
};

}  // namespace tandem::components::grpc
