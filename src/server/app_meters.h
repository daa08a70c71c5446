// What is counted of an app's HTTP: requests at its own port; and what daprd would count, requests to its Dapr API and
// requests that Dapr makes to the app.
//
// One AppMeters an app; it lives as long as the Metrics. Any worker.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "net/http_server.h"
#include "policy/metered_handler.h"
#include "telemetry/dapr_metrics.h"
#include "telemetry/http_metrics.h"

namespace tandem::server {

class AppPortObserver final : public net::ServerObserver {
 public:
  AppPortObserver(telemetry::Metrics& metrics, const std::string& app_id) : metrics_(metrics, app_id) {}
  void request_finished(const net::RequestRecord& record) noexcept override;

 private:
  telemetry::AppPortMetrics metrics_;
};

class ApiMeter final : public policy::CallMeter {
 public:
  ApiMeter(telemetry::Metrics& metrics, const std::string& app_id) : http_(metrics, app_id) {}
  void finished(const net::RequestHead& head, const telemetry::HttpCall& call) noexcept override;

 private:
  telemetry::HttpServerMetrics http_;
};

// A call with dapr-caller-app-id is an invocation: that header is the doors' own, no client sets it.
class ChannelMeter final : public policy::CallMeter {
 public:
  ChannelMeter(telemetry::Metrics& metrics, const std::string& app_id)
      : http_(metrics, app_id), invocations_(metrics, app_id) {}
  void started(const net::RequestHead& head) noexcept override;
  void finished(const net::RequestHead& head, const telemetry::HttpCall& call) noexcept override;

 private:
  telemetry::HttpClientMetrics http_;
  telemetry::InvocationMetrics invocations_;
};

struct AppMeters {
  AppMeters(telemetry::Metrics& metrics, const std::string& app_id)
      : app_port(metrics, app_id), api(metrics, app_id), channel(metrics, app_id) {}
  AppPortObserver app_port;
  ApiMeter api;
  ChannelMeter channel;
};

}  // namespace tandem::server
