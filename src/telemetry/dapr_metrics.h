// Bundles of instruments, resolved once for an app, a route or a component, so that recording a request looks nothing
// up.
//
// The names and labels are Dapr's (dapr_*: the same dashboards work) and Tandem's own for what Dapr does not have
// (tandem_*). Make one where the app, route or component is set up and keep it there; it must not outlive the Metrics.
// record() may be called from any thread, takes no lock and does not allocate, except for the first answer with a
// status not seen before.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "telemetry/metrics.h"

namespace tandem::telemetry {

using Elapsed = std::chrono::nanoseconds;

// dapr_http_server_*: one a route of an app's Dapr port, or one for everything an app serves. `path` is a route's
// pattern or empty, never what a client sent.
class HttpServerMetrics final {
 public:
  HttpServerMetrics(Metrics& metrics, std::string app_id, std::string path);
  ~HttpServerMetrics();

  void record(std::string_view method, int status, std::uint64_t request_bytes, std::uint64_t response_bytes,
              Elapsed elapsed);

 private:
  static constexpr std::size_t kMethods = 10;
  static constexpr std::size_t kStatuses = 500;  // 100 to 599
  struct Series {
    Counter& count;
    Histogram& latency;
  };
  using StatusTable = std::array<std::atomic<const Series*>, kStatuses>;

  static std::size_t method_index(std::string_view method);
  const Series& find(std::size_t method, int status);

  Metrics& metrics_;
  const std::string app_id_;
  const std::string path_;
  Histogram& request_bytes_;
  Histogram& response_bytes_;
  std::array<std::atomic<StatusTable*>, kMethods> tables_{};
};

// Count and latency of one operation that succeeds or fails.
class OperationMetrics final {
 public:
  // `family` is the part between "dapr_component_" and "_count".
  OperationMetrics(Metrics& metrics, std::string_view family, const Labels& labels);

  void record_success(Elapsed elapsed) noexcept { record(1, elapsed); }
  void record_failure(Elapsed elapsed) noexcept { record(0, elapsed); }

 private:
  void record(std::size_t outcome, Elapsed elapsed) noexcept {
    count_[outcome]->add();
    latency_[outcome]->observe_ms(elapsed);
  }
  std::array<Counter*, 2> count_;  // failure, success
  std::array<Histogram*, 2> latency_;
};

struct ComponentLabels {
  std::string app_id;
  std::string component;  // its name
  std::string namespace_name = "default";
};

// dapr_component_state_*: one a store and app.
struct StateMetrics {
  StateMetrics(Metrics& metrics, const ComponentLabels& labels);
  OperationMetrics get;
  OperationMetrics set;
  OperationMetrics remove;  // "delete"
  OperationMetrics bulk_get;
  OperationMetrics bulk_delete;
  OperationMetrics transaction;
  OperationMetrics query;
};

// What an app made of a message.
enum class DeliveryStatus { kSuccess, kRetry, kDrop };

// dapr_component_pubsub_*: one a topic of a component and app.
class PubsubMetrics final {
 public:
  PubsubMetrics(Metrics& metrics, const ComponentLabels& labels, const std::string& topic);

  OperationMetrics publish;                                               // pubsub_egress
  void record_delivery(DeliveryStatus status, Elapsed elapsed) noexcept;  // pubsub_ingress
  Gauge& in_flight;

 private:
  std::array<Counter*, 3> ingress_count_;
  std::array<Histogram*, 3> ingress_latency_;
};

// dapr_runtime_service_invocation_*: one a pair of caller and callee.
struct InvocationMetrics {
  InvocationMetrics(Metrics& metrics, const std::string& source_app_id, const std::string& destination_app_id);
  Counter& requests_sent;
  Counter& requests_received;
};

// dapr_runtime_component_*: one an app.
class ComponentLoadMetrics final {
 public:
  ComponentLoadMetrics(Metrics& metrics, std::string app_id);
  // Looks labels up: for start-up and reload.
  void record_loaded(const std::string& type);
  void record_failed(const std::string& type, const std::string& name, const std::string& reason);

 private:
  Metrics& metrics_;
  const std::string app_id_;
  Counter& loaded_;
};

// tandem_guest_*: one an app.
class GuestMetrics final {
 public:
  GuestMetrics(Metrics& metrics, const std::string& app_id);

  void record_call(Elapsed elapsed) noexcept {
    calls.add();
    call_seconds.observe_seconds(elapsed);
  }

  Counter& calls;
  Counter& traps;     // calls that ended in a trap
  Counter& timeouts;  // calls stopped at their deadline
  Counter& rejected;  // calls refused because every instance was busy and the queue full
  Counter& started;   // instances made
  Gauge& instances;   // instances alive
  Gauge& busy;        // instances in a call
  Histogram& call_seconds;
};

}  // namespace tandem::telemetry
