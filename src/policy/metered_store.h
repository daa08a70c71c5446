// A state store that counts and times every operation, as Dapr's dapr_component_state_* metrics do.
//
// A decorator: owned in place of the store that it owns. The series of each app are made with it, so that an operation
// only finds its app's. Threads and failures are those of the store behind it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "blocks/state/state_store.h"
#include "telemetry/dapr_metrics.h"

namespace tandem::policy {

class MeteredStore final : public state::Store {
 public:
  // `labels` without the app: one series for each of `app_ids`; calls of other apps are not counted.
  MeteredStore(std::unique_ptr<state::Store> store, telemetry::Metrics& metrics,
               const telemetry::ComponentLabels& labels, const std::vector<std::string>& app_ids);

  state::Features features() const override { return store_->features(); }
  bool in_place() const override { return store_->in_place(); }
  void ping(const CallContext& context, Completion<void> done) override { store_->ping(context, std::move(done)); }
  void get(const CallContext& context, const state::GetRequest& request, Completion<state::GetResponse> done) override;
  void set(const CallContext& context, state::SetRequest request, Completion<void> done) override;
  void remove(const CallContext& context, state::DeleteRequest request, Completion<void> done) override;
  void bulk_get(const CallContext& context, std::vector<std::string> keys,
                Completion<std::vector<state::BulkGetItem>> done) override;
  void bulk_set(const CallContext& context, std::vector<state::SetRequest> requests, Completion<void> done) override;
  void bulk_remove(const CallContext& context, std::vector<state::DeleteRequest> requests,
                   Completion<void> done) override;
  void transact(const CallContext& context, std::vector<state::Operation> operations, Completion<void> done) override;
  // Not an operation of Dapr's: not counted.
  void list_keys(const CallContext& context, state::ListRequest request,
                 Completion<std::vector<std::string>> done) override {
    store_->list_keys(context, std::move(request), std::move(done));
  }
  void close(SteadyTime deadline) override { store_->close(deadline); }

 private:
  struct App {
    std::string id;
    telemetry::StateMetrics metrics;
  };
  using Operation = telemetry::OperationMetrics telemetry::StateMetrics::*;

  template <class T>
  Completion<T> timed(const CallContext& context, Operation operation, Completion<T> done);

  const std::unique_ptr<state::Store> store_;
  std::vector<std::unique_ptr<App>> apps_;
};

}  // namespace tandem::policy
