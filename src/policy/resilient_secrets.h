// A secret store behind the calling app's resiliency policies.
//
// A decorator: owned in place of the store that it owns, and only made for a component that has policies. Completions
// may also come on the guards' timers.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "blocks/secrets/secret_store.h"
#include "policy/app_protections.h"
#include "policy/guarded_operation.h"

namespace tandem::policy {

class ResilientSecrets final : public secrets::Store {
 public:
  ResilientSecrets(std::unique_ptr<secrets::Store> store, AppProtections protections)
      : store_(std::move(store)), protections_(std::move(protections)) {}

  secrets::Features features() const override { return store_->features(); }
  void get(const CallContext& context, std::string name, Metadata metadata, Completion<secrets::Secret> done) override {
    const Protection* protection = protections_.find(context.app_id);
    if (protection == nullptr) return store_->get(context, std::move(name), std::move(metadata), std::move(done));
    GuardedOperation<secrets::Secret>::start(
        *protection, context,
        [this, name = std::move(name), metadata = std::move(metadata)](const CallContext& attempt,
                                                                       Completion<secrets::Secret> ended) {
          store_->get(attempt, name, metadata, std::move(ended));
        },
        std::move(done));
  }
  void bulk_get(const CallContext& context, Metadata metadata, Completion<secrets::Secrets> done) override {
    const Protection* protection = protections_.find(context.app_id);
    if (protection == nullptr) return store_->bulk_get(context, std::move(metadata), std::move(done));
    GuardedOperation<secrets::Secrets>::start(
        *protection, context,
        [this, metadata = std::move(metadata)](const CallContext& attempt, Completion<secrets::Secrets> ended) {
          store_->bulk_get(attempt, metadata, std::move(ended));
        },
        std::move(done));
  }
  void close(SteadyTime deadline) override { store_->close(deadline); }

 private:
  const std::unique_ptr<secrets::Store> store_;
  const AppProtections protections_;
};

}  // namespace tandem::policy
