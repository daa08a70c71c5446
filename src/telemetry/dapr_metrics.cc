#include "telemetry/dapr_metrics.h"

#include <fmt/format.h>

#include <algorithm>

namespace tandem::telemetry {
namespace {

constexpr std::array<std::string_view, 3> kDeliveryNames = {"success", "retry", "drop"};

Labels with(Labels labels, std::string_view name, std::string_view value) {
  labels.emplace_back(name, value);
  return labels;
}

Labels component_labels(const ComponentLabels& labels) {
  return {{"app_id", labels.app_id}, {"component", labels.component}, {"namespace", labels.namespace_name}};
}

OperationMetrics operation_of(Metrics& metrics, std::string_view family, const ComponentLabels& labels,
                              std::string_view operation) {
  return OperationMetrics(metrics, family, with(component_labels(labels), "operation", operation));
}

OperationMetrics state_operation(Metrics& metrics, const ComponentLabels& labels, std::string_view operation) {
  return operation_of(metrics, "state", labels, operation);
}

}  // namespace

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

OperationMetrics output_binding_metrics(Metrics& metrics, const ComponentLabels& labels, std::string_view operation) {
  return OperationMetrics(metrics, "output_binding", with(component_labels(labels), "operation", operation));
}

OperationMetrics input_binding_metrics(Metrics& metrics, const ComponentLabels& labels) {
  return OperationMetrics(metrics, "input_binding", component_labels(labels));
}

StateMetrics::StateMetrics(Metrics& metrics, const ComponentLabels& labels)
    : get(state_operation(metrics, labels, "get")),
      set(state_operation(metrics, labels, "set")),
      remove(state_operation(metrics, labels, "delete")),
      bulk_get(state_operation(metrics, labels, "bulk_get")),
      bulk_delete(state_operation(metrics, labels, "bulk_delete")),
      transaction(state_operation(metrics, labels, "transaction")),
      query(state_operation(metrics, labels, "query")) {}

SecretMetrics::SecretMetrics(Metrics& metrics, const ComponentLabels& labels)
    : get(operation_of(metrics, "secret", labels, "get")),
      bulk_get(operation_of(metrics, "secret", labels, "bulk_get")) {}

ConfigurationMetrics::ConfigurationMetrics(Metrics& metrics, const ComponentLabels& labels)
    : get(operation_of(metrics, "configuration", labels, "get")),
      subscribe(operation_of(metrics, "configuration", labels, "subscribe")),
      unsubscribe(operation_of(metrics, "configuration", labels, "unsubscribe")) {}

PubsubMetrics::PubsubMetrics(Metrics& metrics, const ComponentLabels& labels, const std::string& topic)
    : publish(metrics, "pubsub_egress", with(component_labels(labels), "topic", topic)),
      in_flight(metrics.gauge("dapr_component_pubsub_ingress_in_flight",
                              "The number of messages that the app is handling at this moment.",
                              with(component_labels(labels), "topic", topic))),
      metrics_(metrics),
      labels_(with(component_labels(labels), "topic", topic)) {
  for (std::size_t i = 0; i < kDeliveryNames.size(); ++i) {
    Labels all = with(with(labels_, "process_status", kDeliveryNames[i]), "status", kDeliveryNames[i]);
    ingress_count_[i] = &metrics.counter("dapr_component_pubsub_ingress_count",
                                         "The number of messages that came in from the pub/sub component.", all);
    ingress_latency_[i] = &metrics.latency("dapr_component_pubsub_ingress_latencies",
                                           "How long the app took for a message, in milliseconds.", all);
  }
}

OperationMetrics& PubsubMetrics::bulk_publish() {
  std::call_once(bulk_made_, [this] { bulk_.emplace(metrics_, "pubsub_egress_bulk", labels_); });
  return *bulk_;
}

void PubsubMetrics::record_delivery(DeliveryStatus status, Elapsed elapsed) noexcept {
  auto index = static_cast<std::size_t>(status);
  ingress_count_[index]->add();
  ingress_latency_[index]->observe_ms(elapsed);
}

InvocationMetrics::InvocationMetrics(Metrics& metrics, std::string app_id)
    : metrics_(metrics), app_id_(std::move(app_id)) {}

void InvocationMetrics::record_request(std::string_view caller_app_id) {
  if (caller_app_id == app_id_) return;
  const Requests& requests = requests_.find(caller_app_id, 0, [this](std::string_view name, std::uint32_t) {
    const std::string caller(name);
    return Requests{&metrics_.counter("dapr_runtime_service_invocation_req_sent_total",
                                      "The number of requests sent by service invocation.",
                                      {{"app_id", caller}, {"dst_app_id", app_id_}, {"type", "unary"}}),
                    &metrics_.counter("dapr_runtime_service_invocation_req_recv_total",
                                      "The number of requests received by service invocation.",
                                      {{"app_id", app_id_}, {"src_app_id", caller}})};
  });
  requests.sent->add();
  requests.received->add();
}

void InvocationMetrics::record_response(std::string_view caller_app_id, int status, Elapsed elapsed) {
  if (caller_app_id == app_id_) return;
  const auto number = static_cast<std::uint32_t>(std::clamp(status, 100, 599));
  const Responses& responses =
      responses_.find(caller_app_id, number, [this](std::string_view name, std::uint32_t code) {
        const std::string caller(name);
        const std::string text = code == 0 ? std::string(Metrics::kOverflow) : fmt::format("{}", code);
        return Responses{
            &metrics_.counter("dapr_runtime_service_invocation_res_sent_total",
                              "The number of responses sent by service invocation.",
                              {{"app_id", app_id_}, {"dst_app_id", caller}, {"status", text}}),
            &metrics_.counter("dapr_runtime_service_invocation_res_recv_total",
                              "The number of responses received by service invocation.",
                              {{"app_id", caller}, {"src_app_id", app_id_}, {"status", text}, {"type", "unary"}}),
            &metrics_.latency("dapr_runtime_service_invocation_res_recv_latency_ms",
                              "How long the response of a service invocation took, in milliseconds.",
                              {{"app_id", caller}, {"src_app_id", app_id_}, {"status", text}})};
      });
  responses.sent->add();
  responses.received->add();
  responses.latency->observe_ms(elapsed);
}

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
      call_seconds(metrics.histogram("tandem_guest_call_seconds", "How long a call into the guest took, in seconds.",
                                     {{"app_id", app_id}}, guest_buckets_seconds())) {}

}  // namespace tandem::telemetry
