#include "policy/topic_metrics.h"

namespace tandem::policy {

telemetry::PubsubMetrics& TopicMetrics::of(std::string_view app_id, std::string_view topic) {
  {
    const std::shared_lock lock(mutex_);
    const auto found = topics_.find(std::pair(app_id, topic));
    if (found != topics_.end()) return *found->second;
  }
  const std::unique_lock lock(mutex_);
  if (topics_.size() >= kMaxTopics) topic = telemetry::Metrics::kOverflow;
  std::unique_ptr<telemetry::PubsubMetrics>& slot = topics_[Key(app_id, topic)];
  if (!slot) {
    telemetry::ComponentLabels labels = labels_;
    labels.app_id = app_id;
    slot = std::make_unique<telemetry::PubsubMetrics>(metrics_, labels, std::string(topic));
  }
  return *slot;
}

}  // namespace tandem::policy
