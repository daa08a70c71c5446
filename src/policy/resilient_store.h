// A state store behind the calling app's resiliency policies: time-outs, retries and a circuit breaker for every
// operation of Dapr's.
//
// A decorator: owned in place of the store that it owns, and only made for a component that has policies. Completions
// may also come on the guards' timers. What is read or written again is a copy of the request.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "blocks/state/state_store.h"
#include "policy/app_protections.h"

namespace tandem::policy {

class ResilientStore final : public state::Store {
 public:
  ResilientStore(std::unique_ptr<state::Store> store, AppProtections protections)
      : store_(std::move(store)), protections_(std::move(protections)) {}

  state::Features features() const override { return store_->features(); }
  // A retry comes later.
  bool in_place() const override { return false; }
  void ping(const CallContext& context, Completion<void> done) override { store_->ping(context, std::move(done)); }
  void get(const CallContext& context, const state::GetRequest& request, Completion<state::GetResponse> done) override;
  // An ETag that does not match is not tried again.
  void set(const CallContext& context, state::SetRequest request, Completion<void> done) override;
  void remove(const CallContext& context, state::DeleteRequest request, Completion<void> done) override;
  void bulk_get(const CallContext& context, std::vector<std::string> keys,
                Completion<std::vector<state::BulkGetItem>> done) override;
  // Items with conditions are written one by one where there are retries: what has been written would not match again.
  void bulk_set(const CallContext& context, std::vector<state::SetRequest> requests, Completion<void> done) override;
  void bulk_remove(const CallContext& context, std::vector<state::DeleteRequest> requests,
                   Completion<void> done) override;
  void transact(const CallContext& context, std::vector<state::Operation> operations, Completion<void> done) override;
  // Not an operation of Dapr's: no policies.
  void list_keys(const CallContext& context, state::ListRequest request,
                 Completion<std::vector<std::string>> done) override {
    store_->list_keys(context, std::move(request), std::move(done));
  }
  void close(SteadyTime deadline) override { store_->close(deadline); }

 private:
  const std::unique_ptr<state::Store> store_;
  const AppProtections protections_;
};

}  // namespace tandem::policy
