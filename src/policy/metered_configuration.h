// A configuration store that counts and times every operation, as Dapr's dapr_component_configuration_* metrics do.
//
// A decorator: owned in place of the store that it owns. Threads and failures are those of the store behind it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "blocks/configuration/configuration_store.h"
#include "policy/app_series.h"

namespace tandem::policy {

class MeteredConfiguration final : public configuration::Store {
 public:
  MeteredConfiguration(std::unique_ptr<configuration::Store> store, telemetry::Metrics& metrics,
                       const telemetry::ComponentLabels& labels, const std::vector<std::string>& app_ids)
      : store_(std::move(store)), series_(metrics, labels, app_ids) {}

  void get(const CallContext& context, std::vector<std::string> keys, Metadata metadata,
           Completion<configuration::Items> done) override {
    store_->get(context, std::move(keys), std::move(metadata),
                series_.timed(context, &telemetry::ConfigurationMetrics::get, std::move(done)));
  }
  void subscribe(const CallContext& context, configuration::SubscribeRequest request,
                 std::shared_ptr<configuration::Watcher> watcher, Completion<void> done) override {
    store_->subscribe(context, std::move(request), std::move(watcher),
                      series_.timed(context, &telemetry::ConfigurationMetrics::subscribe, std::move(done)));
  }
  void unsubscribe(const CallContext& context, std::string id, Completion<void> done) override {
    store_->unsubscribe(context, std::move(id),
                        series_.timed(context, &telemetry::ConfigurationMetrics::unsubscribe, std::move(done)));
  }
  void close(SteadyTime deadline) override { store_->close(deadline); }

 private:
  const std::unique_ptr<configuration::Store> store_;
  AppSeries<telemetry::ConfigurationMetrics> series_;
};

}  // namespace tandem::policy
