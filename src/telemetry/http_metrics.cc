#include "telemetry/http_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tandem::telemetry {
namespace {

constexpr std::array<std::string_view, 11> kMethodNames = {"",       "GET",     "HEAD",    "POST",  "PUT",    "PATCH",
                                                           "DELETE", "CONNECT", "OPTIONS", "TRACE", "UNKNOWN"};

const std::vector<double>& size_buckets() {
  static const std::vector<double> kBuckets = {1024,    2048,     4096,     16384,     65536,      262144,    1048576,
                                               4194304, 16777216, 67108864, 268435456, 1073741824, 4294967296};
  return kBuckets;
}

// Method and status in one number, the key of a series; 0 is neither.
constexpr std::uint32_t kMethodFactor = 1000;

std::uint32_t method_number(const Metrics& metrics, std::string_view method) {
  if (!metrics.options().http_methods) return 0;
  const auto found = std::find(kMethodNames.begin() + 1, kMethodNames.end() - 1, method);
  return static_cast<std::uint32_t>(found - kMethodNames.begin()) * kMethodFactor;
}

std::uint32_t number_of(const Metrics& metrics, const HttpCall& call) {
  return method_number(metrics, call.method) + static_cast<std::uint32_t>(std::clamp(call.status, 100, 599));
}

std::string method_label(std::uint32_t number) { return std::string(kMethodNames[number / kMethodFactor]); }

std::string status_label(std::uint32_t number) {
  const std::uint32_t status = number % kMethodFactor;
  return status == 0 ? std::string(Metrics::kOverflow) : fmt::format("{}", status);
}

Labels call_labels(const std::string& app_id, std::string_view path, std::uint32_t number) {
  return {{"app_id", app_id},
          {"method", method_label(number)},
          {"path", std::string(path)},
          {"status", status_label(number)}};
}

}  // namespace

PathLabel::PathLabel(std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  text_ = path;
  // The segments that decide: v1.0 / state / store / …
  std::array<std::string_view, 5> segment;
  std::size_t count = 0;
  std::string_view left = path.starts_with('/') ? path.substr(1) : path;
  for (bool more = !left.empty(); more && count < segment.size(); ++count) {
    const std::size_t slash = left.find('/');
    segment[count] = left.substr(0, slash);
    more = slash != std::string_view::npos;
    if (more) left.remove_prefix(slash + 1);
  }
  if (count < 3) return;
  if (segment[1] == "state" || segment[1] == "secrets") {
    const char* end = segment[2].data() + segment[2].size();
    text_ = path.substr(0, static_cast<std::size_t>(end - path.data()));
  } else if (segment[1] == "actors" && count == 5) {
    const auto written = fmt::format_to_n(rewritten_.data(), rewritten_.size(), "/{}/actors/{}/{{id}}/{}", segment[0],
                                          segment[2], segment[4]);
    text_ = written.size <= rewritten_.size() ? std::string_view(rewritten_.data(), written.size) : Metrics::kOverflow;
  }
}

HttpServerMetrics::HttpServerMetrics(Metrics& metrics, std::string app_id)
    : metrics_(metrics),
      app_id_(std::move(app_id)),
      request_bytes_(metrics.histogram("dapr_http_server_request_bytes", "HTTP request body size in the server.",
                                       {{"app_id", app_id_}}, size_buckets())),
      response_bytes_(metrics.histogram("dapr_http_server_response_bytes", "HTTP response body size in the server.",
                                        {{"app_id", app_id_}}, size_buckets())) {}

HttpServerMetrics::Series HttpServerMetrics::make(std::string_view path, std::uint32_t number) const {
  const Labels labels = call_labels(app_id_, path, number);
  Series series{};
  series.requests =
      &metrics_.counter("dapr_http_server_request_count", "The number of HTTP requests that the server got.", labels);
  if (metrics_.options().http_paths) {
    series.responses =
        &metrics_.counter("dapr_http_server_response_count", "The number of HTTP responses of the server.", labels);
  }
  series.latency = &metrics_.latency("dapr_http_server_latency",
                                     "HTTP request end-to-end latency in the server, in milliseconds.", labels);
  return series;
}

void HttpServerMetrics::record(const HttpCall& call) {
  const PathLabel path(metrics_.options().http_paths ? call.target : std::string_view());
  const Series& series =
      series_.find(path.text(), number_of(metrics_, call),
                   [this](std::string_view name, std::uint32_t number) { return make(name, number); });
  series.requests->add();
  if (series.responses != nullptr) series.responses->add();
  series.latency->observe_ms(call.elapsed);
  request_bytes_.observe(static_cast<double>(call.request_bytes));
  response_bytes_.observe(static_cast<double>(call.response_bytes));
}

HttpClientMetrics::HttpClientMetrics(Metrics& metrics, std::string app_id)
    : metrics_(metrics),
      app_id_(std::move(app_id)),
      received_bytes_(metrics.histogram("dapr_http_client_received_bytes",
                                        "Bytes received in response bodies of the app, not counting headers.",
                                        {{"app_id", app_id_}}, size_buckets())) {}

void HttpClientMetrics::record(const HttpCall& call) {
  const PathLabel path(metrics_.options().http_paths ? call.target : std::string_view());
  const Series& series =
      series_.find(path.text(), number_of(metrics_, call), [this](std::string_view name, std::uint32_t number) {
        const Labels labels = call_labels(app_id_, name, number);
        return Series{&metrics_.counter("dapr_http_client_completed_count",
                                        "The number of requests that the app has answered.", labels),
                      &metrics_.latency("dapr_http_client_roundtrip_latency",
                                        "How long the app took to answer a request, in milliseconds.", labels)};
      });
  series.completed->add();
  series.latency->observe_ms(call.elapsed);
  // Recorded by Dapr before there is a status.
  Histogram* sent = sent_bytes_.find(
      path.text(), method_number(metrics_, call.method), [this](std::string_view name, std::uint32_t number) {
        return &metrics_.histogram(
            "dapr_http_client_sent_bytes", "Bytes sent to the app in request bodies, not counting headers.",
            {{"app_id", app_id_}, {"method", method_label(number)}, {"path", std::string(name)}}, size_buckets());
      });
  sent->observe(static_cast<double>(call.request_bytes));
  received_bytes_.observe(static_cast<double>(call.response_bytes));
}

AppPortMetrics::AppPortMetrics(Metrics& metrics, std::string app_id)
    : metrics_(metrics),
      app_id_(std::move(app_id)),
      seconds_(metrics.histogram("tandem_app_request_seconds", "How long a request at the app's own port took.",
                                 {{"app_id", app_id_}}, guest_buckets_seconds())),
      request_bytes_(metrics.histogram("tandem_app_request_bytes", "Size of request bodies at the app's own port.",
                                       {{"app_id", app_id_}}, size_buckets())),
      response_bytes_(metrics.histogram("tandem_app_response_bytes", "Size of response bodies at the app's own port.",
                                        {{"app_id", app_id_}}, size_buckets())) {}

void AppPortMetrics::record(const HttpCall& call) {
  Counter* requests = series_.find({}, number_of(metrics_, call), [this](std::string_view, std::uint32_t number) {
    return &metrics_.counter("tandem_app_requests_total", "Requests at the app's own port that have ended.",
                             {{"app_id", app_id_}, {"method", method_label(number)}, {"status", status_label(number)}});
  });
  requests->add();
  seconds_.observe_seconds(call.elapsed);
  request_bytes_.observe(static_cast<double>(call.request_bytes));
  response_bytes_.observe(static_cast<double>(call.response_bytes));
}

}  // namespace tandem::telemetry
