// dapr_resiliency_*: what resiliency policies were applied, and what they did. One bundle a target of an app.
//
// Dapr's names and labels. Make one where the target's policies are set up; it does not outlive the Metrics. Any
// thread, no locks.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "telemetry/metrics.h"

namespace tandem::telemetry {

struct ResiliencyLabels {
  std::string app_id;
  std::string resource;    // the name of the Resiliency resource
  std::string name_space;  // its namespace, as it is written
  std::string direction;   // "outbound" or "inbound"
  std::string target;      // "app_orders", "Statestore_shelf"
};

// Counts a resource that was read.
void count_resiliency_loaded(Metrics& metrics, const std::string& app_id, const std::string& resource,
                             const std::string& name_space);

class ResiliencyMetrics final {
 public:
  enum class Breaker : std::size_t { kClosed, kHalfOpen, kOpen };

  // Which of the policies there are: the others have no series.
  struct Parts {
    bool timeout = false;
    bool retry = false;
    bool breaker = false;
  };
  ResiliencyMetrics(Metrics& metrics, const ResiliencyLabels& labels, Parts parts);

  // A call begins.
  void applied(Breaker state) noexcept;
  void applied() noexcept;
  // Once a call each, at most.
  void timed_out() noexcept;
  void retried() noexcept;
  // The breaker is in that state now.
  void changed(Breaker state) noexcept;

 private:
  struct Pair {
    Counter* applied = nullptr;
    Counter* activated = nullptr;
  };
  static constexpr std::size_t kStates = 4;  // and "unknown", which Dapr has too

  Pair timeout_;
  Pair retry_;
  std::array<Pair, kStates> breaker_;
  std::array<Gauge*, kStates> state_{};
};

}  // namespace tandem::telemetry
