// A configuration store behind the calling app's resiliency policies. What a subscription tells later is under none.
//
// A decorator: owned in place of the store that it owns, and only made for a component that has policies. Completions
// may also come on the guards' timers.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "blocks/configuration/configuration_store.h"
#include "policy/app_protections.h"
#include "policy/guarded_operation.h"

namespace tandem::policy {

class ResilientConfiguration final : public configuration::Store {
 public:
  ResilientConfiguration(std::unique_ptr<configuration::Store> store, AppProtections protections)
      : store_(std::move(store)), protections_(std::move(protections)) {}

  void get(const CallContext& context, std::vector<std::string> keys, Metadata metadata,
           Completion<configuration::Items> done) override {
    const Protection* protection = protections_.find(context.app_id);
    if (protection == nullptr) return store_->get(context, std::move(keys), std::move(metadata), std::move(done));
    GuardedOperation<configuration::Items>::start(
        *protection, context,
        [this, keys = std::move(keys), metadata = std::move(metadata)](const CallContext& attempt,
                                                                       Completion<configuration::Items> ended) {
          store_->get(attempt, keys, metadata, std::move(ended));
        },
        std::move(done));
  }
  void subscribe(const CallContext& context, configuration::SubscribeRequest request,
                 std::shared_ptr<configuration::Watcher> watcher, Completion<void> done) override {
    const Protection* protection = protections_.find(context.app_id);
    if (protection == nullptr) {
      return store_->subscribe(context, std::move(request), std::move(watcher), std::move(done));
    }
    GuardedOperation<void>::start(
        *protection, context,
        [this, request = std::move(request), watcher = std::move(watcher)](const CallContext& attempt,
                                                                           Completion<void> ended) {
          store_->subscribe(attempt, request, watcher, std::move(ended));
        },
        std::move(done));
  }
  void unsubscribe(const CallContext& context, std::string id, Completion<void> done) override {
    const Protection* protection = protections_.find(context.app_id);
    if (protection == nullptr) return store_->unsubscribe(context, std::move(id), std::move(done));
    GuardedOperation<void>::start(
        *protection, context,
        [this, id = std::move(id)](const CallContext& attempt, Completion<void> ended) {
          store_->unsubscribe(attempt, id, std::move(ended));
        },
        std::move(done));
  }
  void close(SteadyTime deadline) override { store_->close(deadline); }

 private:
  const std::unique_ptr<configuration::Store> store_;
  const AppProtections protections_;
};

}  // namespace tandem::policy
