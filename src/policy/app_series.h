// The series of one component for each app that may use it, and a completion that counts and times an operation.
//
// Owned by a decorator; made with it, so that an operation only finds its app's. Any thread. Nothing fails.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/call_context.h"
#include "base/completion.h"
#include "telemetry/dapr_metrics.h"

namespace tandem::policy {

// `Bundle` is made of Metrics and ComponentLabels, and its members are OperationMetrics.
template <class Bundle>
class AppSeries final {
 public:
  // `labels` without the app: one bundle for each of `app_ids`; calls of other apps are not counted.
  AppSeries(telemetry::Metrics& metrics, const telemetry::ComponentLabels& labels,
            const std::vector<std::string>& app_ids) {
    for (const std::string& id : app_ids) {
      telemetry::ComponentLabels own = labels;
      own.app_id = id;
      apps_.push_back(std::make_unique<App>(id, Bundle(metrics, own)));
    }
  }

  template <class T>
  Completion<T> timed(const CallContext& context, telemetry::OperationMetrics Bundle::* operation, Completion<T> done) {
    const auto app = std::ranges::find_if(apps_, [&](const auto& one) { return one->first == context.app_id; });
    if (app == apps_.end()) return done;
    telemetry::OperationMetrics& metrics = (*app)->second.*operation;
    return [&metrics, started = std::chrono::steady_clock::now(), done = std::move(done)](Result<T> result) mutable {
      const auto elapsed = std::chrono::steady_clock::now() - started;
      result ? metrics.record_success(elapsed) : metrics.record_failure(elapsed);
      done(std::move(result));
    };
  }

 private:
  using App = std::pair<std::string, Bundle>;
  std::vector<std::unique_ptr<App>> apps_;
};

}  // namespace tandem::policy
