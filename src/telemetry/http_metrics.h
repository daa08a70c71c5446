// Bundles for HTTP: what an app's Dapr API is asked, what the app is asked by Dapr, what its own port is asked.
//
// The first two are Dapr's dapr_http_server_* and dapr_http_client_*, with its labels: the path is a label as Dapr's
// default (spec.metrics.http.increasedCardinality: true) has it. One bundle of each for an app; it must not outlive the
// Metrics. record() may be called from any thread, takes no lock, and allocates only for the first answer of its kind.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "telemetry/metrics.h"
#include "telemetry/series_table.h"

namespace tandem::telemetry {

using Elapsed = std::chrono::nanoseconds;

// One request and its answer, seen from either side. Views are used during the call only.
struct HttpCall {
  std::string_view method;
  std::string_view target;  // with or without a query
  int status = 0;
  std::uint64_t request_bytes = 0;
  std::uint64_t response_bytes = 0;
  Elapsed elapsed{0};
};

// A target as Dapr labels it: without the query, and without the key of a state or secret and the id of an actor.
class PathLabel final {
 public:
  explicit PathLabel(std::string_view target);
  PathLabel(const PathLabel&) = delete;
  PathLabel& operator=(const PathLabel&) = delete;
  std::string_view text() const { return text_; }

 private:
  // For the few labels that are not a part of the target; longer ones are Metrics::kOverflow.
  std::array<char, 256> rewritten_;
  std::string_view text_;
};

// dapr_http_server_*: the Dapr API of an app.
class HttpServerMetrics final {
 public:
  HttpServerMetrics(Metrics& metrics, std::string app_id);
  void record(const HttpCall& call);

 private:
  struct Series {
    Counter* requests;
    Counter* responses;  // Dapr has it only where the path is a label
    Histogram* latency;
  };
  Series make(std::string_view path, std::uint32_t number) const;

  Metrics& metrics_;
  const std::string app_id_;
  Histogram& request_bytes_;
  Histogram& response_bytes_;
  SeriesTable<Series> series_;
};

// dapr_http_client_*: what Dapr asks of an app: deliveries, invocations, its subscriptions.
class HttpClientMetrics final {
 public:
  HttpClientMetrics(Metrics& metrics, std::string app_id);
  void record(const HttpCall& call);

 private:
  struct Series {
    Counter* completed;
    Histogram* latency;
  };

  Metrics& metrics_;
  const std::string app_id_;
  Histogram& received_bytes_;
  SeriesTable<Series> series_;
  SeriesTable<Histogram*> sent_bytes_;
};

// tandem_app_*: the port on which an app itself is served. A daprd never sees these requests, so they have names of
// their own; paths are the app's business and no label.
class AppPortMetrics final {
 public:
  AppPortMetrics(Metrics& metrics, std::string app_id);
  void record(const HttpCall& call);

 private:
  Metrics& metrics_;
  const std::string app_id_;
  Histogram& seconds_;
  Histogram& request_bytes_;
  Histogram& response_bytes_;
  SeriesTable<Counter*> series_;
};

}  // namespace tandem::telemetry
