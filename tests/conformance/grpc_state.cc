#include "grpc_state.h"

#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "dapr_grpc_port.h"
#include "expiry.h"
#include "store_under_test.h"

namespace tandem::conformance {
namespace {

namespace wire = ::dapr::proto::runtime::v1;
using ::dapr::proto::common::v1::StateItem;
using ::dapr::proto::common::v1::StateOptions;
using ::google::protobuf::Empty;
using Stub = DaprGrpcPort::Stub;

StateOptions::StateConcurrency to_wire(state::Concurrency concurrency) {
  switch (concurrency) {
    case state::Concurrency::kFirstWrite: return StateOptions::CONCURRENCY_FIRST_WRITE;
    case state::Concurrency::kLastWrite: return StateOptions::CONCURRENCY_LAST_WRITE;
    default: return StateOptions::CONCURRENCY_UNSPECIFIED;
  }
}

void fill(const state::SetRequest& request, StateItem& item) {
  item.set_key(request.key);
  item.set_value(*request.value);
  if (request.etag) item.mutable_etag()->set_value(*request.etag);
  item.mutable_metadata()->insert(request.metadata.begin(), request.metadata.end());
  if (request.ttl_seconds) (*item.mutable_metadata())["ttlInSeconds"] = std::to_string(*request.ttl_seconds);
  item.mutable_options()->set_concurrency(to_wire(request.concurrency));
}

void fill(const state::DeleteRequest& request, StateItem& item) {
  item.set_key(request.key);
  if (request.etag) item.mutable_etag()->set_value(*request.etag);
  item.mutable_options()->set_concurrency(to_wire(request.concurrency));
}

// A key that is not there has no ETag.
state::GetResponse from_wire(const auto& message) {
  state::GetResponse response;
  response.etag = message.etag();
  if (!message.data().empty() || !message.etag().empty()) response.data = share(message.data());
  const auto expires = message.metadata().find("ttlExpireTime");
  if (expires != message.metadata().end()) response.expires_at_ms = parse_expiry(expires->second);
  return response;
}

class GrpcClient final : public StateClient {
 public:
  GrpcClient(DaprGrpcPort& port, std::string store) : port_(port), store_(std::move(store)) {}

  Result<state::GetResponse> get(std::string_view key) override {
    wire::GetStateRequest request;
    request.set_store_name(store_);
    request.set_key(std::string(key));
    const auto response = port_.call(&Stub::GetState, request);
    if (!response) return fail(response.error());
    return from_wire(*response);
  }
  Result<void> set(state::SetRequest request) override { return bulk_set({std::move(request)}); }
  Result<void> remove(state::DeleteRequest request) override {
    wire::DeleteStateRequest message;
    message.set_store_name(store_);
    message.set_key(request.key);
    if (request.etag) message.mutable_etag()->set_value(*request.etag);
    message.mutable_options()->set_concurrency(to_wire(request.concurrency));
    return done(port_.call(&Stub::DeleteState, message));
  }
  Result<std::vector<state::BulkGetItem>> bulk_get(std::vector<std::string> keys) override {
    wire::GetBulkStateRequest request;
    request.set_store_name(store_);
    for (std::string& key : keys) request.add_keys(std::move(key));
    const auto response = port_.call(&Stub::GetBulkState, request);
    if (!response) return fail(response.error());
    std::vector<state::BulkGetItem> items;
    for (const wire::BulkStateItem& one : response->items()) {
      state::BulkGetItem item;
      item.key = one.key();
      item.value = from_wire(one);
      if (!one.error().empty()) item.error = make_error(Code::kInternal, one.error());
      items.push_back(std::move(item));
    }
    return items;
  }
  Result<void> bulk_set(std::vector<state::SetRequest> requests) override {
    wire::SaveStateRequest message;
    message.set_store_name(store_);
    for (const state::SetRequest& request : requests) fill(request, *message.add_states());
    return done(port_.call(&Stub::SaveState, message));
  }
  Result<void> bulk_remove(std::vector<state::DeleteRequest> requests) override {
    wire::DeleteBulkStateRequest message;
    message.set_store_name(store_);
    for (const state::DeleteRequest& request : requests) fill(request, *message.add_states());
    return done(port_.call(&Stub::DeleteBulkState, message));
  }
  Result<void> transact(std::vector<state::Operation> operations) override {
    wire::ExecuteStateTransactionRequest message;
    message.set_storename(store_);
    for (const state::Operation& operation : operations) {
      auto& one = *message.add_operations();
      if (const auto* set = std::get_if<state::SetRequest>(&operation)) {
        one.set_operationtype("upsert");
        fill(*set, *one.mutable_request());
      } else {
        one.set_operationtype("delete");
        fill(std::get<state::DeleteRequest>(operation), *one.mutable_request());
      }
    }
    return done(port_.call(&Stub::ExecuteStateTransaction, message));
  }

 private:
  static Result<void> done(const Result<Empty>& answer) {
    if (!answer) return fail(answer.error());
    return {};
  }

  DaprGrpcPort& port_;
  const std::string store_;
};

class GrpcState final : public StateDriver {
 public:
  explicit GrpcState(std::unique_ptr<StoreUnderTest> store) : store_(std::move(store)) {}

  bool has(std::string_view capability) const override { return store_->has(capability); }
  std::unique_ptr<StateClient> client(std::string app_id) override {
    const std::lock_guard lock(mutex_);
    ports_.push_back(std::make_unique<DaprGrpcPort>(std::move(app_id), store_->service(), pubsub_));
    return std::make_unique<GrpcClient>(*ports_.back(), store_->name());
  }

 private:
  const std::unique_ptr<StoreUnderTest> store_;
  pubsub::PubsubService pubsub_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<DaprGrpcPort>> ports_;
};

}  // namespace

std::unique_ptr<StateDriver> make_grpc_state(const std::string& folder) {
  std::unique_ptr<StoreUnderTest> store = StoreUnderTest::make(folder);
  return store ? std::make_unique<GrpcState>(std::move(store)) : nullptr;
}

}  // namespace tandem::conformance
