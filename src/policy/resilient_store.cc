#include "policy/resilient_store.h"

#include <algorithm>
#include <optional>

#include "policy/guarded_operation.h"

namespace tandem::policy {
namespace {

GuardedOperation<void>::Judgement judge_write(const Result<void>& result) {
  using Judgement = GuardedOperation<void>::Judgement;
  if (result) return Judgement::kGood;
  const Error& error = result.error();
  return state::is_etag_mismatch(error) || state::is_etag_invalid(error) ? Judgement::kHopeless : Judgement::kBad;
}

template <class Request>
bool has_conditions(const std::vector<Request>& requests) {
  return std::ranges::any_of(requests, [](const Request& one) {
    return one.etag.has_value() || one.concurrency == state::Concurrency::kFirstWrite;
  });
}

}  // namespace

void ResilientStore::get(const CallContext& context, const state::GetRequest& request,
                         Completion<state::GetResponse> done) {
  const Protection* protection = protections_.find(context.app_id);
  if (protection == nullptr) return store_->get(context, request, std::move(done));
  std::optional<Metadata> metadata;
  if (request.metadata != nullptr) metadata = *request.metadata;
  GuardedOperation<state::GetResponse>::start(
      *protection, context,
      [this, key = std::string(request.key), consistency = request.consistency, metadata = std::move(metadata)](
          const CallContext& attempt, Completion<state::GetResponse> ended) {
        store_->get(attempt, {.key = key, .consistency = consistency, .metadata = metadata ? &*metadata : nullptr},
                    std::move(ended));
      },
      std::move(done));
}

void ResilientStore::set(const CallContext& context, state::SetRequest request, Completion<void> done) {
  const Protection* protection = protections_.find(context.app_id);
  if (protection == nullptr) return store_->set(context, std::move(request), std::move(done));
  GuardedOperation<void>::start(
      *protection, context,
      [this, request = std::move(request)](const CallContext& attempt, Completion<void> ended) {
        store_->set(attempt, request, std::move(ended));
      },
      std::move(done), judge_write);
}

void ResilientStore::remove(const CallContext& context, state::DeleteRequest request, Completion<void> done) {
  const Protection* protection = protections_.find(context.app_id);
  if (protection == nullptr) return store_->remove(context, std::move(request), std::move(done));
  GuardedOperation<void>::start(
      *protection, context,
      [this, request = std::move(request)](const CallContext& attempt, Completion<void> ended) {
        store_->remove(attempt, request, std::move(ended));
      },
      std::move(done), judge_write);
}

void ResilientStore::bulk_get(const CallContext& context, std::vector<std::string> keys,
                              Completion<std::vector<state::BulkGetItem>> done) {
  const Protection* protection = protections_.find(context.app_id);
  if (protection == nullptr) return store_->bulk_get(context, std::move(keys), std::move(done));
  using Items = std::vector<state::BulkGetItem>;
  GuardedOperation<Items>::start(
      *protection, context,
      [this, keys = std::move(keys)](const CallContext& attempt, Completion<Items> ended) {
        store_->bulk_get(attempt, keys, std::move(ended));
      },
      std::move(done));
}

void ResilientStore::bulk_set(const CallContext& context, std::vector<state::SetRequest> requests,
                              Completion<void> done) {
  const Protection* protection = protections_.find(context.app_id);
  if (protection == nullptr) return store_->bulk_set(context, std::move(requests), std::move(done));
  if (protection->guard->retry() && has_conditions(requests)) {
    return Store::bulk_set(context, std::move(requests), std::move(done));
  }
  GuardedOperation<void>::start(
      *protection, context,
      [this, requests = std::move(requests)](const CallContext& attempt, Completion<void> ended) {
        store_->bulk_set(attempt, requests, std::move(ended));
      },
      std::move(done), judge_write);
}

void ResilientStore::bulk_remove(const CallContext& context, std::vector<state::DeleteRequest> requests,
                                 Completion<void> done) {
  const Protection* protection = protections_.find(context.app_id);
  if (protection == nullptr) return store_->bulk_remove(context, std::move(requests), std::move(done));
  if (protection->guard->retry() && has_conditions(requests)) {
    return Store::bulk_remove(context, std::move(requests), std::move(done));
  }
  GuardedOperation<void>::start(
      *protection, context,
      [this, requests = std::move(requests)](const CallContext& attempt, Completion<void> ended) {
        store_->bulk_remove(attempt, requests, std::move(ended));
      },
      std::move(done), judge_write);
}

void ResilientStore::transact(const CallContext& context, std::vector<state::Operation> operations,
                              Completion<void> done) {
  const Protection* protection = protections_.find(context.app_id);
  if (protection == nullptr) return store_->transact(context, std::move(operations), std::move(done));
  GuardedOperation<void>::start(
      *protection, context,
      [this, operations = std::move(operations)](const CallContext& attempt, Completion<void> ended) {
        store_->transact(attempt, operations, std::move(ended));
      },
      std::move(done), judge_write);
}

}  // namespace tandem::policy
