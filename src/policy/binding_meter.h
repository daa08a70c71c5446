// Counts and times what goes through the bindings of a resource group, as Dapr's dapr_component_output_binding_* and
// dapr_component_input_binding_* do.
//
// Owned beside the service that it observes, and outlives it. Any thread. Names of bindings and operations come from
// clients: the number of series is bounded, further ones share one (telemetry/metrics.h).
#pragma once

#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "blocks/bindings/binding_service.h"
#include "telemetry/dapr_metrics.h"

namespace tandem::policy {

class BindingMeter final : public bindings::BindingObserver {
 public:
  BindingMeter(telemetry::Metrics& metrics, std::string name_space)
      : metrics_(metrics), name_space_(std::move(name_space)) {}

  void invoked(std::string_view app_id, std::string_view binding, std::string_view operation, const Status& status,
               Elapsed elapsed) noexcept override;
  void delivered(std::string_view app_id, std::string_view binding, const Status& status,
                 Elapsed elapsed) noexcept override;

 private:
  static constexpr std::size_t kMaxSeries = 1000;
  enum class Way { kInput, kOutput };
  using Key = std::tuple<Way, std::string_view, std::string_view, std::string_view>;
  using OwnKey = std::tuple<Way, std::string, std::string, std::string>;
  struct Less {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return Key(a) < Key(b);
    }
  };

  telemetry::OperationMetrics& of(Key key);
  void record(const Key& key, const Status& status, Elapsed elapsed) noexcept;

  telemetry::Metrics& metrics_;
  const std::string name_space_;
  std::shared_mutex mutex_;
  std::map<OwnKey, std::unique_ptr<telemetry::OperationMetrics>, Less> series_;
};

}  // namespace tandem::policy
