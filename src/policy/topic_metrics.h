// dapr_component_pubsub_* of one component: series for each app and topic, made when a topic is first used.
//
// Shared by the decorators of a broker and of its apps. Any thread. Topics come from apps: the number of series is
// bounded, further topics share one (telemetry/metrics.h).
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>

#include "telemetry/dapr_metrics.h"

namespace tandem::policy {

class TopicMetrics final {
 public:
  TopicMetrics(telemetry::Metrics& metrics, telemetry::ComponentLabels labels)
      : metrics_(metrics), labels_(std::move(labels)) {}

  telemetry::PubsubMetrics& of(std::string_view app_id, std::string_view topic);

 private:
  static constexpr std::size_t kMaxTopics = 1000;
  using Key = std::pair<std::string, std::string>;
  struct Less {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return std::pair<std::string_view, std::string_view>(a.first, a.second) <
             std::pair<std::string_view, std::string_view>(b.first, b.second);
    }
  };

  telemetry::Metrics& metrics_;
  const telemetry::ComponentLabels labels_;
  std::shared_mutex mutex_;
  std::map<Key, std::unique_ptr<telemetry::PubsubMetrics>, Less> topics_;
};

}  // namespace tandem::policy
