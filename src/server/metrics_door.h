// GET /metrics, for Prometheus. Any worker.
#pragma once

#include "net/http.h"
#include "telemetry/metrics.h"

namespace tandem::server {

class MetricsDoor final : public net::Handler {
 public:
  explicit MetricsDoor(const telemetry::Metrics& metrics) : metrics_(metrics) {}
  void handle(std::unique_ptr<net::Exchange> exchange) override;

 private:
  const telemetry::Metrics& metrics_;
};

}  // namespace tandem::server
