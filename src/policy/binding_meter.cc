#include "policy/binding_meter.h"

#include <mutex>

namespace tandem::policy {

telemetry::OperationMetrics& BindingMeter::of(Key key) {
  {
    const std::shared_lock lock(mutex_);
    const auto found = series_.find(key);
    if (found != series_.end()) return *found->second;
  }
  const std::unique_lock lock(mutex_);
  auto& [way, app_id, binding, operation] = key;
  if (series_.size() >= kMaxSeries) binding = operation = telemetry::Metrics::kOverflow;
  std::unique_ptr<telemetry::OperationMetrics>& slot =
      series_[OwnKey(way, std::string(app_id), std::string(binding), std::string(operation))];
  if (!slot) {
    const telemetry::ComponentLabels labels{
        .app_id = std::string(app_id), .component = std::string(binding), .namespace_name = name_space_};
    slot = std::make_unique<telemetry::OperationMetrics>(
        way == Way::kInput ? telemetry::input_binding_metrics(metrics_, labels)
                           : telemetry::output_binding_metrics(metrics_, labels, operation));
  }
  return *slot;
}

void BindingMeter::record(const Key& key, const Status& status, Elapsed elapsed) noexcept {
  telemetry::OperationMetrics& metrics = of(key);
  if (status) {
    metrics.record_success(elapsed);
  } else {
    metrics.record_failure(elapsed);
  }
}

void BindingMeter::invoked(std::string_view app_id, std::string_view binding, std::string_view operation,
                           const Status& status, Elapsed elapsed) noexcept {
  record(Key(Way::kOutput, app_id, binding, operation), status, elapsed);
}

void BindingMeter::delivered(std::string_view app_id, std::string_view binding, const Status& status,
                             Elapsed elapsed) noexcept {
  record(Key(Way::kInput, app_id, binding, {}), status, elapsed);
}

}  // namespace tandem::policy
