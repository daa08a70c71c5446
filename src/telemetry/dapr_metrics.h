// Bundles of instruments, resolved once for an app or a component, so that recording a request looks nothing
// up.
//
// The names and labels are Dapr's (dapr_*: the same dashboards work) and Tandem's own for what Dapr does not have
// (tandem_*); those of HTTP are in http_metrics.h. Make one where the app or component is set up and keep it there; it
// must not outlive the Metrics. Recording may be done from any thread, takes no lock and does not allocate, except for
// the first answer with a status not seen before.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "telemetry/http_metrics.h"
#include "telemetry/metrics.h"
#include "telemetry/series_table.h"

namespace tandem::telemetry {

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

// dapr_component_output_binding_*: one an operation of a binding and app; dapr_component_input_binding_*: one a binding
// and app.
OperationMetrics output_binding_metrics(Metrics& metrics, const ComponentLabels& labels, std::string_view operation);
OperationMetrics input_binding_metrics(Metrics& metrics, const ComponentLabels& labels);

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

// dapr_component_secret_*: one a store and app.
struct SecretMetrics {
  SecretMetrics(Metrics& metrics, const ComponentLabels& labels);
  OperationMetrics get;
  OperationMetrics bulk_get;
};

// dapr_component_configuration_*: one a store and app.
struct ConfigurationMetrics {
  ConfigurationMetrics(Metrics& metrics, const ComponentLabels& labels);
  OperationMetrics get;
  OperationMetrics subscribe;
  OperationMetrics unsubscribe;
};

// What an app made of a message.
enum class DeliveryStatus { kSuccess, kRetry, kDrop };

// dapr_component_pubsub_*: one a topic of a component and app.
class PubsubMetrics final {
 public:
  PubsubMetrics(Metrics& metrics, const ComponentLabels& labels, const std::string& topic);

  OperationMetrics publish;                                               // pubsub_egress
  OperationMetrics& bulk_publish();                                       // pubsub_egress_bulk, made when first used
  void record_delivery(DeliveryStatus status, Elapsed elapsed) noexcept;  // pubsub_ingress
  Gauge& in_flight;

 private:
  Metrics& metrics_;
  const Labels labels_;
  std::once_flag bulk_made_;
  std::optional<OperationMetrics> bulk_;
  std::array<Counter*, 3> ingress_count_;
  std::array<Histogram*, 3> ingress_latency_;
};

// dapr_runtime_service_invocation_*: one an app, for the calls that it gets from other apps. Both ends are counted
// here: what the caller's daprd would count, under the caller's app id, and what the callee's would. A call of an app
// to itself is not one, for Dapr neither.
class InvocationMetrics final {
 public:
  InvocationMetrics(Metrics& metrics, std::string app_id);

  void record_request(std::string_view caller_app_id);
  // `elapsed` since the request.
  void record_response(std::string_view caller_app_id, int status, Elapsed elapsed);

 private:
  struct Requests {
    Counter* sent;
    Counter* received;
  };
  struct Responses {
    Counter* sent;
    Counter* received;
    Histogram* latency;
  };

  Metrics& metrics_;
  const std::string app_id_;
  SeriesTable<Requests> requests_;
  SeriesTable<Responses> responses_;
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
  Histogram& call_seconds;
};

}  // namespace tandem::telemetry
