#include "components/grpc/grpc_secret_store.h"

#include <algorithm>
#include <utility>

#include "components/grpc/component_error.h"
#include "components/grpc/initialisation.h"

namespace tandem::components::grpc {

namespace wire = ::dapr::proto::components::v1;

GrpcSecretStore::GrpcSecretStore(std::shared_ptr<Connection> connection)
    : connection_(std::move(connection)), stub_(connection_->channel()) {}

GrpcSecretStore::~GrpcSecretStore() { close(std::chrono::steady_clock::now()); }

Result<std::unique_ptr<GrpcSecretStore>> GrpcSecretStore::open(std::shared_ptr<Connection> connection,
                                                               const Metadata& properties, SteadyTime deadline) {
  std::unique_ptr<GrpcSecretStore> store(new GrpcSecretStore(std::move(connection)));
  const Status begun = initialise<wire::SecretStoreInitRequest, wire::SecretStoreInitResponse>(
      *store->connection_, store->stub_, properties, deadline);
  if (!begun) return fail(begun.error());
  ::grpc::ClientContext context;
  store->connection_->prepare(context, deadline);
  wire::FeaturesResponse features;
  if (const auto status = store->stub_.Features(&context, {}, &features); !status.ok()) {
    return fail(component_error(status));
  }
  const auto& names = features.features();
  store->features_.multiple_values = std::ranges::find(names, "MULTIPLE_KEY_VALUES_PER_SECRET") != names.end();
  return store;
}

void GrpcSecretStore::get(const CallContext& context, std::string name, Metadata metadata,
                          Completion<secrets::Secret> done) {
  auto call = std::make_shared<Call<wire::GetSecretRequest, wire::GetSecretResponse>>();
  connection_->prepare(call->context, context, Connection::kCallLimit);
  call->request.set_key(std::move(name));
  fill(*call->request.mutable_metadata(), metadata);
  connection_->ask(
      std::move(call),
      [this](auto& begun, auto ended) {
        stub_.async()->Get(&begun.context, &begun.request, &begun.response, std::move(ended));
      },
      [done = std::move(done)](const ::grpc::Status& status, auto& ended) mutable {
        if (!status.ok()) return done(fail(component_error(status)));
        done(metadata_of(ended.response.data()));
      });
}

void GrpcSecretStore::bulk_get(const CallContext& context, Metadata metadata, Completion<secrets::Secrets> done) {
  auto call = std::make_shared<Call<wire::BulkGetSecretRequest, wire::BulkGetSecretResponse>>();
  connection_->prepare(call->context, context, Connection::kCallLimit);
  fill(*call->request.mutable_metadata(), metadata);
  connection_->ask(
      std::move(call),
      [this](auto& begun, auto ended) {
        stub_.async()->BulkGet(&begun.context, &begun.request, &begun.response, std::move(ended));
      },
      [done = std::move(done)](const ::grpc::Status& status, auto& ended) mutable {
        if (!status.ok()) return done(fail(component_error(status)));
        secrets::Secrets all;
        for (const auto& entry : ended.response.data()) all.emplace(entry.first, metadata_of(entry.second.secrets()));
        done(std::move(all));
      });
}

void GrpcSecretStore::close(SteadyTime deadline) { connection_->close(deadline); }

}  // namespace tandem::components::grpc
