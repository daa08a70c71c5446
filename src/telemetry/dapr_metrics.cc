#include "telemetry/dapr_metrics.h"

#include <fmt/format.h>

#include <algorithm>

namespace tandem::telemetry {
namespace {

constexpr std::array<std::string_view, 10> kMethodNames = {"GET",    "HEAD",    "POST",    "PUT",   "PATCH",
                                                           "DELETE", "CONNECT", "OPTIONS", "TRACE", "UNKNOWN"};
constexpr std::array<std::string_view, 3> kDeliveryNames = {"success", "retry", "drop"};

const std::vector<double>& size_buckets() {
  static const std::vector<double> kBuckets = {1024,    2048,     4096,     16384,     65536,      262144,    1048576,
                                               4194304, 16777216, 67108864, 268435456, 1073741824, 4294967296};
  return kBuckets;
}

Labels with(Labels labels, std::string_view name, std::string_view value) {
  labels.emplace_back(name, value);
  return labels;
}

Labels component_labels(const ComponentLabels& labels) {
  return {{"app_id", labels.app_id}, {"component", labels.component}, {"namespace", labels.namespace_name}};
}

OperationMetrics state_operation(Metrics& metrics, const ComponentLabels& labels, std::string_view operation) {
  return OperationMetrics(metrics, "state", with(component_labels(labels), "operation", operation));
}

}  // namespace

HttpServerMetrics::HttpServerMetrics(Metrics& metrics, std::string app_id, std::string path)
    : metrics_(metrics),
      app_id_(std::move(app_id)),
      path_(std::move(path)),
      request_bytes_(metrics.histogram("dapr_http_server_request_bytes", "HTTP request body size in the server.",
                                       {{"app_id", app_id_}}, size_buckets())),
      response_bytes_(metrics.histogram("dapr_http_server_response_bytes", "HTTP response body size in the server.",
                                        {{"app_id", app_id_}}, size_buckets())) {}

HttpServerMetrics::~HttpServerMetrics() {
  for (auto& slot : tables_) {
    StatusTable* table = slot.load();
    if (table == nullptr) continue;
    for (auto& series : *table) delete series.load();
    delete table;
  }
}

std::size_t HttpServerMetrics::method_index(std::string_view method) {
  auto found = std::find(kMethodNames.begin(), kMethodNames.end(), method);
  return found == kMethodNames.end() ? kMethods - 1 : static_cast<std::size_t>(found - kMethodNames.begin());
}

const HttpServerMetrics::Series& HttpServerMetrics::find(std::size_t method, int status) {
  StatusTable* table = tables_[method].load(std::memory_order_acquire);
  if (table == nullptr) {
    auto fresh = std::make_unique<StatusTable>();
    if (tables_[method].compare_exchange_strong(table, fresh.get(), std::memory_order_acq_rel)) table = fresh.release();
  }
  auto& slot = (*table)[static_cast<std::size_t>(status - 100)];
  const Series* series = slot.load(std::memory_order_acquire);
  if (series == nullptr) {
    Labels labels = {{"app_id", app_id_},
                     {"method", std::string(kMethodNames[method])},
                     {"path", path_},
                     {"status", fmt::format("{}", status)}};
    auto fresh = std::make_unique<const Series>(Series{
        metrics_.counter("dapr_http_server_request_count", "Number of HTTP requests answered by the server.", labels),
        metrics_.latency("dapr_http_server_latency", "HTTP request end-to-end latency in the server, in milliseconds.",
                         labels)});
    if (slot.compare_exchange_strong(series, fresh.get(), std::memory_order_acq_rel)) series = fresh.release();
  }
  return *series;
}

void HttpServerMetrics::record(std::string_view method, int status, std::uint64_t request_bytes,
                               std::uint64_t response_bytes, Elapsed elapsed) {
  const Series& series = find(method_index(method), std::clamp(status, 100, 599));
  series.count.add();
  series.latency.observe_ms(elapsed);
  request_bytes_.observe(static_cast<double>(request_bytes));
  response_bytes_.observe(static_cast<double>(response_bytes));
}

OperationMetrics::OperationMetrics(Metrics& metrics, std::string_view family, const Labels& labels) {
  for (std::size_t outcome : {0U, 1U}) {
    Labels all = with(labels, "success", outcome == 1 ? "true" : "false");
    count_[outcome] = &metrics.counter(fmt::format("dapr_component_{}_count", family),
                                       fmt::format("The number of {} operations on the component.", family), all);
    latency_[outcome] =
        &metrics.latency(fmt::format("dapr_component_{}_latencies", family),
                         fmt::format("The latency of {} operations on the component, in milliseconds.", family), all);
  }
}

StateMetrics::StateMetrics(Metrics& metrics, const ComponentLabels& labels)
    : get(state_operation(metrics, labels, "get")),
      set(state_operation(metrics, labels, "set")),
      remove(state_operation(metrics, labels, "delete")),
      bulk_get(state_operation(metrics, labels, "bulk_get")),
      bulk_delete(state_operation(metrics, labels, "bulk_delete")),
      transaction(state_operation(metrics, labels, "transaction")),
      query(state_operation(metrics, labels, "query")) {}

PubsubMetrics::PubsubMetrics(Metrics& metrics, const ComponentLabels& labels, const std::string& topic)
    : publish(metrics, "pubsub_egress", with(component_labels(labels), "topic", topic)),
      in_flight(metrics.gauge("dapr_component_pubsub_ingress_in_flight",
                              "The number of messages that the app is handling at this moment.",
                              with(component_labels(labels), "topic", topic))) {
  for (std::size_t i = 0; i < kDeliveryNames.size(); ++i) {
    Labels all = with(with(with(component_labels(labels), "topic", topic), "process_status", kDeliveryNames[i]),
                      "status", kDeliveryNames[i]);
    ingress_count_[i] = &metrics.counter("dapr_component_pubsub_ingress_count",
                                         "The number of messages that came in from the pub/sub component.", all);
    ingress_latency_[i] = &metrics.latency("dapr_component_pubsub_ingress_latencies",
                                           "How long the app took for a message, in milliseconds.", all);
  }
}

void PubsubMetrics::record_delivery(DeliveryStatus status, Elapsed elapsed) noexcept {
  auto index = static_cast<std::size_t>(status);
  ingress_count_[index]->add();
  ingress_latency_[index]->observe_ms(elapsed);
}

InvocationMetrics::InvocationMetrics(Metrics& metrics, const std::string& source_app_id,
                                     const std::string& destination_app_id)
    : requests_sent(metrics.counter(
          "dapr_runtime_service_invocation_req_sent_total", "The number of requests sent by service invocation.",
          {{"app_id", source_app_id}, {"dst_app_id", destination_app_id}, {"type", "unary"}})),
      requests_received(metrics.counter("dapr_runtime_service_invocation_req_recv_total",
                                        "The number of requests received by service invocation.",
                                        {{"app_id", destination_app_id}, {"src_app_id", source_app_id}})) {}

ComponentLoadMetrics::ComponentLoadMetrics(Metrics& metrics, std::string app_id)
    : metrics_(metrics),
      app_id_(std::move(app_id)),
      loaded_(metrics.counter("dapr_runtime_component_loaded", "The number of components that are loaded.",
                              {{"app_id", app_id_}})) {}

void ComponentLoadMetrics::record_loaded(const std::string& type) {
  loaded_.add();
  metrics_
      .counter("dapr_runtime_component_init_total", "The number of initialized components.",
               {{"app_id", app_id_}, {"component", type}})
      .add();
}

void ComponentLoadMetrics::record_failed(const std::string& type, const std::string& name, const std::string& reason) {
  metrics_
      .counter("dapr_runtime_component_init_fail_total", "The number of components that could not be initialized.",
               {{"app_id", app_id_}, {"component", type}, {"componentName", name}, {"reason", reason}})
      .add();
}

GuestMetrics::GuestMetrics(Metrics& metrics, const std::string& app_id)
    : calls(metrics.counter("tandem_guest_calls_total", "Calls into the guest that have ended.", {{"app_id", app_id}})),
      traps(metrics.counter("tandem_guest_traps_total", "Calls that ended in a trap.", {{"app_id", app_id}})),
      timeouts(metrics.counter("tandem_guest_timeouts_total", "Calls that were stopped at their deadline.",
                               {{"app_id", app_id}})),
      rejected(metrics.counter("tandem_guest_rejected_total", "Calls refused because no instance was free in time.",
                               {{"app_id", app_id}})),
      started(metrics.counter("tandem_guest_instances_started_total", "Instances of the guest made so far.",
                              {{"app_id", app_id}})),
      instances(
          metrics.gauge("tandem_guest_instances", "Instances of the guest that are alive.", {{"app_id", app_id}})),
      busy(metrics.gauge("tandem_guest_instances_busy", "Instances of the guest that are in a call.",
                         {{"app_id", app_id}})),
      call_seconds(metrics.histogram("tandem_guest_call_seconds", "How long a call into the guest took, in seconds.",
                                     {{"app_id", app_id}}, guest_buckets_seconds())) {}

}  // namespace tandem::telemetry
