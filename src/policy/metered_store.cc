#include "policy/metered_store.h"

#include <algorithm>
#include <chrono>

namespace tandem::policy {

MeteredStore::MeteredStore(std::unique_ptr<state::Store> store, telemetry::Metrics& metrics,
                           const telemetry::ComponentLabels& labels, const std::vector<std::string>& app_ids)
    : store_(std::move(store)) {
  for (const std::string& id : app_ids) {
    telemetry::ComponentLabels own = labels;
    own.app_id = id;
    apps_.push_back(std::make_unique<App>(App{id, telemetry::StateMetrics(metrics, own)}));
  }
}

template <class T>
Completion<T> MeteredStore::timed(const CallContext& context, Operation operation, Completion<T> done) {
  // A process has a handful of apps: looking through them is cheaper than hashing the id.
  const auto app = std::ranges::find_if(apps_, [&](const auto& one) { return one->id == context.app_id; });
  if (app == apps_.end()) return done;
  telemetry::OperationMetrics& metrics = (*app)->metrics.*operation;
  return [&metrics, started = std::chrono::steady_clock::now(), done = std::move(done)](Result<T> result) mutable {
    const auto elapsed = std::chrono::steady_clock::now() - started;
    if (result) {
      metrics.record_success(elapsed);
    } else {
      metrics.record_failure(elapsed);
    }
    done(std::move(result));
  };
}

void MeteredStore::get(const CallContext& context, const state::GetRequest& request,
                       Completion<state::GetResponse> done) {
  store_->get(context, request, timed(context, &telemetry::StateMetrics::get, std::move(done)));
}

void MeteredStore::set(const CallContext& context, state::SetRequest request, Completion<void> done) {
  store_->set(context, std::move(request), timed(context, &telemetry::StateMetrics::set, std::move(done)));
}

void MeteredStore::remove(const CallContext& context, state::DeleteRequest request, Completion<void> done) {
  store_->remove(context, std::move(request), timed(context, &telemetry::StateMetrics::remove, std::move(done)));
}

void MeteredStore::bulk_get(const CallContext& context, std::vector<std::string> keys,
                            Completion<std::vector<state::BulkGetItem>> done) {
  store_->bulk_get(context, std::move(keys), timed(context, &telemetry::StateMetrics::bulk_get, std::move(done)));
}

// Dapr counts a bulk write as a write.
void MeteredStore::bulk_set(const CallContext& context, std::vector<state::SetRequest> requests,
                            Completion<void> done) {
  store_->bulk_set(context, std::move(requests), timed(context, &telemetry::StateMetrics::set, std::move(done)));
}

void MeteredStore::bulk_remove(const CallContext& context, std::vector<state::DeleteRequest> requests,
                               Completion<void> done) {
  store_->bulk_remove(context, std::move(requests),
                      timed(context, &telemetry::StateMetrics::bulk_delete, std::move(done)));
}

void MeteredStore::transact(const CallContext& context, std::vector<state::Operation> operations,
                            Completion<void> done) {
  store_->transact(context, std::move(operations),
                   timed(context, &telemetry::StateMetrics::transaction, std::move(done)));
}

}  // namespace tandem::policy
