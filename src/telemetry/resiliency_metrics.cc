#include "telemetry/resiliency_metrics.h"

#include <string_view>

namespace tandem::telemetry {
namespace {

constexpr std::array<std::string_view, 4> kStateNames = {"closed", "half-open", "open", "unknown"};

Labels labels_of(const ResiliencyLabels& labels, std::string_view policy, std::string_view status) {
  return {{"app_id", labels.app_id},
          {"name", labels.resource},
          {"policy", std::string(policy)},
          {"namespace", labels.name_space},
          {"flow_direction", labels.direction},
          {"target", labels.target},
          {"status", std::string(status)}};
}

Counter& applications(Metrics& metrics, Labels labels) {
  return metrics.counter("dapr_resiliency_count", "The number of times that a resiliency policy was applied to a call.",
                         std::move(labels));
}

Counter& activations(Metrics& metrics, Labels labels) {
  return metrics.counter("dapr_resiliency_activations_total",
                         "The number of times that a resiliency policy stepped in: after a failure, or when a circuit "
                         "breaker changed its state.",
                         std::move(labels));
}

}  // namespace

void count_resiliency_loaded(Metrics& metrics, const std::string& app_id, const std::string& resource,
                             const std::string& name_space) {
  metrics
      .counter("dapr_resiliency_loaded", "The number of Resiliency resources that were read.",
               {{"app_id", app_id}, {"name", resource}, {"namespace", name_space}})
      .add();
}

ResiliencyMetrics::ResiliencyMetrics(Metrics& metrics, const ResiliencyLabels& labels, Parts parts) {
  const auto pair = [&](std::string_view policy, std::string_view status) {
    const Labels all = labels_of(labels, policy, status);
    return Pair{&applications(metrics, all), &activations(metrics, all)};
  };
  if (parts.timeout) timeout_ = pair("timeout", "");
  if (parts.retry) retry_ = pair("retry", "");
  if (!parts.breaker) return;
  for (std::size_t i = 0; i < kStates; ++i) {
    state_[i] =
        &metrics.gauge("dapr_resiliency_cb_state", "1 for the state that a circuit breaker is in, 0 for the others.",
                       labels_of(labels, "circuitbreaker", kStateNames[i]));
    if (kStateNames[i] != "unknown") breaker_[i] = pair("circuitbreaker", kStateNames[i]);
  }
}

void ResiliencyMetrics::applied() noexcept {
  if (timeout_.applied != nullptr) timeout_.applied->add();
  if (retry_.applied != nullptr) retry_.applied->add();
}

void ResiliencyMetrics::applied(Breaker state) noexcept {
  applied();
  const auto index = static_cast<std::size_t>(state);
  if (breaker_[index].applied == nullptr) return;
  breaker_[index].applied->add();
  for (std::size_t i = 0; i < kStates; ++i) state_[i]->set(i == index ? 1 : 0);
}

void ResiliencyMetrics::timed_out() noexcept {
  if (timeout_.activated != nullptr) timeout_.activated->add();
}

void ResiliencyMetrics::retried() noexcept {
  if (retry_.activated != nullptr) retry_.activated->add();
}

void ResiliencyMetrics::changed(Breaker state) noexcept {
  Pair& pair = breaker_[static_cast<std::size_t>(state)];
  if (pair.activated != nullptr) pair.activated->add();
}

}  // namespace tandem::telemetry
