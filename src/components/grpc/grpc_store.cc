#include "components/grpc/grpc_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <variant>

#include "components/grpc/component_error.h"
#include "components/grpc/initialisation.h"
#include "components/grpc/state_messages.h"

namespace tandem::components::grpc {
namespace {

namespace wire = ::dapr::proto::components::v1;

constexpr std::string_view kTransactional = "dapr.proto.components.v1.TransactionalStateStore";
constexpr std::string_view kMultiMaxSize = "dapr.proto.components.v1.TransactionalStoreMultiMaxSize";

bool contains(std::span<const std::string> names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

template <class Request, class Response>
std::shared_ptr<Call<Request, Response>> new_call(const Connection& connection, const CallContext& context) {
  auto call = std::make_shared<Call<Request, Response>>();
  connection.prepare(call->context, context, Connection::kCallLimit);
  return call;
}

// What becomes of a call whose answer has nothing in it.
template <class Explain>
auto completing(Completion<void> done, Explain explain) {
  return [done = std::move(done), explain](const ::grpc::Status& status, auto&) mutable {
    if (status.ok()) return done({});
    done(fail(explain(status)));
  };
}

}  // namespace

GrpcStore::GrpcStore(std::shared_ptr<Connection> connection)
    : connection_(std::move(connection)), stub_(connection_->channel()), transactional_(connection_->channel()) {}

GrpcStore::~GrpcStore() { close(std::chrono::steady_clock::now()); }

Result<std::unique_ptr<GrpcStore>> GrpcStore::open(std::shared_ptr<Connection> connection, const Metadata& properties,
                                                   std::span<const std::string> services, SteadyTime deadline) {
  std::unique_ptr<GrpcStore> store(new GrpcStore(std::move(connection)));
  const Connection& way = *store->connection_;
  const Status begun =
      initialise<wire::InitRequest, wire::InitResponse>(*store->connection_, store->stub_, properties, deadline);
  if (!begun) return fail(begun.error());
  ::grpc::ClientContext context;
  way.prepare(context, deadline);
  wire::FeaturesResponse features;
  if (const auto status = store->stub_.Features(&context, {}, &features); !status.ok()) {
    return fail(component_error(status));
  }
  store->feature_names_.assign(features.features().begin(), features.features().end());
  const auto has = [&](std::string_view name) { return contains(store->feature_names_, name); };
  store->features_ = {
      .etag = has("ETAG"),
      .transactional = has("TRANSACTIONAL") && contains(services, kTransactional),
      .ttl = has("TTL"),
      .ttl_reader = state::Features::TtlReader::kStore,
      // Its protocol has no words that nobody knows.
      .checked_options = {.set = false, .remove = false, .transacted_set = false, .transacted_remove = false}};
  if (store->features_.transactional && contains(services, kMultiMaxSize)) {
    ::grpc::ClientContext question;
    way.prepare(question, deadline);
    wire::MultiMaxSizeResponse answer;
    const auto status = wire::TransactionalStoreMultiMaxSize::Stub(way.channel()).MultiMaxSize(&question, {}, &answer);
    if (!status.ok()) return fail(component_error(status));
    store->most_operations_ = std::max<std::int64_t>(answer.max_size(), 0);
  }
  return store;
}

void GrpcStore::ping(const CallContext& context, Completion<void> done) {
  connection_->ask(
      new_call<wire::PingRequest, wire::PingResponse>(*connection_, context),
      [this](auto& call, auto ended) {
        stub_.async()->Ping(&call.context, &call.request, &call.response, std::move(ended));
      },
      completing(std::move(done), component_error));
}

void GrpcStore::get(const CallContext& context, const state::GetRequest& request, Completion<state::GetResponse> done) {
  auto call = new_call<wire::GetRequest, wire::GetResponse>(*connection_, context);
  call->request.set_key(std::string(request.key));
  call->request.set_consistency(to_wire(request.consistency));
  if (request.metadata != nullptr) fill(*call->request.mutable_metadata(), *request.metadata);
  connection_->ask(
      std::move(call),
      [this](auto& begun, auto ended) {
        stub_.async()->Get(&begun.context, &begun.request, &begun.response, std::move(ended));
      },
      [done = std::move(done)](const ::grpc::Status& status, auto& ended) mutable {
        if (!status.ok()) return done(fail(component_error(status)));
        done(to_value(ended.response));
      });
}

void GrpcStore::set(const CallContext& context, state::SetRequest request, Completion<void> done) {
  auto call = new_call<wire::SetRequest, wire::SetResponse>(*connection_, context);
  to_wire(std::move(request), call->request);
  connection_->ask(
      std::move(call),
      [this](auto& begun, auto ended) {
        stub_.async()->Set(&begun.context, &begun.request, &begun.response, std::move(ended));
      },
      completing(std::move(done), write_error));
}

void GrpcStore::remove(const CallContext& context, state::DeleteRequest request, Completion<void> done) {
  auto call = new_call<wire::DeleteRequest, wire::DeleteResponse>(*connection_, context);
  to_wire(std::move(request), call->request);
  connection_->ask(
      std::move(call),
      [this](auto& begun, auto ended) {
        stub_.async()->Delete(&begun.context, &begun.request, &begun.response, std::move(ended));
      },
      completing(std::move(done), write_error));
}

void GrpcStore::bulk_get(const CallContext& context, std::vector<std::string> keys,
                         Completion<std::vector<state::BulkGetItem>> done) {
  if (keys.empty()) return done(std::vector<state::BulkGetItem>());
  auto call = new_call<wire::BulkGetRequest, wire::BulkGetResponse>(*connection_, context);
  call->request.mutable_options();
  for (const std::string& key : keys) call->request.add_items()->set_key(key);
  connection_->ask(
      std::move(call),
      [this](auto& begun, auto ended) {
        stub_.async()->BulkGet(&begun.context, &begun.request, &begun.response, std::move(ended));
      },
      [keys = std::move(keys), done = std::move(done)](const ::grpc::Status& status, auto& ended) mutable {
        if (!status.ok()) return done(fail(component_error(status)));
        done(to_items(std::move(keys), ended.response));
      });
}

void GrpcStore::bulk_set(const CallContext& context, std::vector<state::SetRequest> requests, Completion<void> done) {
  if (requests.empty()) return done({});
  auto call = new_call<wire::BulkSetRequest, wire::BulkSetResponse>(*connection_, context);
  call->request.mutable_options();
  for (state::SetRequest& request : requests) to_wire(std::move(request), *call->request.add_items());
  connection_->ask(
      std::move(call),
      [this](auto& begun, auto ended) {
        stub_.async()->BulkSet(&begun.context, &begun.request, &begun.response, std::move(ended));
      },
      completing(std::move(done), write_error));
}

void GrpcStore::bulk_remove(const CallContext& context, std::vector<state::DeleteRequest> requests,
                            Completion<void> done) {
  if (requests.empty()) return done({});
  auto call = new_call<wire::BulkDeleteRequest, wire::BulkDeleteResponse>(*connection_, context);
  call->request.mutable_options();
  for (state::DeleteRequest& request : requests) to_wire(std::move(request), *call->request.add_items());
  connection_->ask(
      std::move(call),
      [this](auto& begun, auto ended) {
        stub_.async()->BulkDelete(&begun.context, &begun.request, &begun.response, std::move(ended));
      },
      completing(std::move(done), bulk_delete_error));
}

void GrpcStore::transact(const CallContext& context, std::vector<state::Operation> operations, Completion<void> done) {
  if (!features_.transactional) return Store::transact(context, std::move(operations), std::move(done));
  if (most_operations_ > 0 && operations.size() > static_cast<std::size_t>(most_operations_)) {
    return done(fail(Code::kInvalidArgument,
                     fmt::format("the transaction contains {} operations, more than what the state store supports: {}",
                                 operations.size(), most_operations_)));
  }
  auto call = new_call<wire::TransactionalStateRequest, wire::TransactionalStateResponse>(*connection_, context);
  for (state::Operation& operation : operations) {
    wire::TransactionalStateOperation& added = *call->request.add_operations();
    if (auto* const set = std::get_if<state::SetRequest>(&operation)) {
      to_wire(std::move(*set), *added.mutable_set());
    } else {
      to_wire(std::move(std::get<state::DeleteRequest>(operation)), *added.mutable_delete_());
    }
  }
  connection_->ask(
      std::move(call),
      [this](auto& begun, auto ended) {
        transactional_.async()->Transact(&begun.context, &begun.request, &begun.response, std::move(ended));
      },
      completing(std::move(done), component_error));
}

void GrpcStore::close(SteadyTime deadline) { connection_->close(deadline); }

}  // namespace tandem::components::grpc
