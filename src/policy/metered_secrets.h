// A secret store that counts and times every operation, as Dapr's dapr_component_secret_* metrics do.
//
// A decorator: owned in place of the store that it owns. Threads and failures are those of the store behind it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "blocks/secrets/secret_store.h"
#include "policy/app_series.h"

namespace tandem::policy {

class MeteredSecrets final : public secrets::Store {
 public:
  MeteredSecrets(std::unique_ptr<secrets::Store> store, telemetry::Metrics& metrics,
                 const telemetry::ComponentLabels& labels, const std::vector<std::string>& app_ids)
      : store_(std::move(store)), series_(metrics, labels, app_ids) {}

  secrets::Features features() const override { return store_->features(); }
  void get(const CallContext& context, std::string name, Metadata metadata, Completion<secrets::Secret> done) override {
    store_->get(context, std::move(name), std::move(metadata),
                series_.timed(context, &telemetry::SecretMetrics::get, std::move(done)));
  }
  void bulk_get(const CallContext& context, Metadata metadata, Completion<secrets::Secrets> done) override {
    store_->bulk_get(context, std::move(metadata),
                     series_.timed(context, &telemetry::SecretMetrics::bulk_get, std::move(done)));
  }
  void close(SteadyTime deadline) override { store_->close(deadline); }

 private:
  const std::unique_ptr<secrets::Store> store_;
  AppSeries<telemetry::SecretMetrics> series_;
};

}  // namespace tandem::policy
