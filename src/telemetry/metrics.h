// Metrics: every number that Tandem exposes to Prometheus, under Dapr's names where Dapr has one.
//
// main.cc owns one. Finding an instrument takes a lock and builds strings: do it when an app, a route or a component is
// set up, keep the reference (dapr_metrics.h has ready bundles), and a request only adds to it. References live as long
// as the Metrics. Any thread. Never fails: the number of series of a name is bounded, and beyond kMaxSeries all further
// label values share one series whose values are kOverflow, so that hostile paths or topics cannot fill the memory.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "telemetry/instruments.h"

namespace tandem::telemetry {

// Names and values, in any order.
using Labels = std::vector<std::pair<std::string, std::string>>;

// Dapr's latency buckets in milliseconds.
const std::vector<double>& default_latency_buckets_ms();
// For guest calls, in seconds: 10 µs to 10 s.
const std::vector<double>& guest_buckets_seconds();

struct MetricsOptions {
  // Empty: Dapr's.
  std::vector<double> latency_buckets_ms;
  // Whether the HTTP metrics of Dapr's names have the path and the method as labels.
  bool http_paths = true;
  bool http_methods = true;
};

class Metrics final {
 public:
  static constexpr std::size_t kMaxSeries = 2000;
  static constexpr std::string_view kOverflow = "_other";

  explicit Metrics(MetricsOptions options = {});
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  const MetricsOptions& options() const { return options_; }

  // The series of that name with those labels, made when it is new. `help` of the first call holds. A name has one kind
  // of instrument: asking for another one gives an instrument that is not exposed.
  Counter& counter(std::string_view name, std::string_view help, Labels labels);
  Gauge& gauge(std::string_view name, std::string_view help, Labels labels);
  Histogram& histogram(std::string_view name, std::string_view help, Labels labels, const std::vector<double>& bounds);
  // With the configured latency buckets, milliseconds.
  Histogram& latency(std::string_view name, std::string_view help, Labels labels);

  // Prometheus's text format, version 0.0.4.
  std::string expose() const;

 private:
  struct Registry;
  const MetricsOptions options_;
  std::unique_ptr<Registry> registry_;
};

}  // namespace tandem::telemetry
