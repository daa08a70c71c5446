// What the app room reports, as metrics.
//
// One GuestMetricsObserver an app; it lives as long as the Metrics. Any thread.
#pragma once

#include <string>

#include "app/guest_options.h"
#include "telemetry/dapr_metrics.h"

namespace tandem::server {

class GuestMetricsObserver final : public app::GuestObserver {
 public:
  GuestMetricsObserver(telemetry::Metrics& metrics, const std::string& app_id) : metrics_(metrics, app_id) {}

  void call_ended(End end, std::chrono::nanoseconds elapsed) noexcept override {
    switch (end) {
      case End::kRejected: metrics_.rejected.add(); return;
      case End::kTrapped: metrics_.traps.add(); break;
      case End::kDeadline: metrics_.timeouts.add(); break;
      case End::kAnswered:
      case End::kUnanswered: break;
    }
    metrics_.record_call(elapsed);
  }
  void instance_made() noexcept override {
    metrics_.started.add();
    metrics_.instances.add(1);
  }
  void instance_gone() noexcept override { metrics_.instances.add(-1); }

 private:
  telemetry::GuestMetrics metrics_;
};

}  // namespace tandem::server
