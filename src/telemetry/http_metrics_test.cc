// The HTTP and invocation bundles: Dapr's names and labels, and a bound on what callers can make of them.

#include "telemetry/http_metrics.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "telemetry/dapr_metrics.h"

namespace tandem::telemetry {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

// How many lines of the exposition start so.
std::size_t lines_with(const std::string& text, const std::string& start) {
  std::size_t count = 0;
  for (std::size_t at = text.find("\n" + start); at != std::string::npos; at = text.find("\n" + start, at + 1)) ++count;
  return count;
}

void expect_lines(const Metrics& metrics, const std::vector<std::string>& lines) {
  const std::string text = metrics.expose();
  for (const std::string& line : lines) EXPECT_THAT(text, HasSubstr("\n" + line + "\n"));
}

TEST(PathLabel, IsThePathWithoutWhatVaries) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"/v1.0/state/store/key?consistency=strong", "/v1.0/state/store"},
      {"/v1.0/state/store", "/v1.0/state/store"},
      {"/v1.0/state/store/", "/v1.0/state/store"},
      {"/v1.0/state", "/v1.0/state"},
      {"/v1.0/secrets/vault/name", "/v1.0/secrets/vault"},
      {"/v1.0/actors/Cart/17/method/add", "/v1.0/actors/Cart/{id}/method"},
      {"/v1.0/actors/Cart/17", "/v1.0/actors/Cart/17"},
      {"/v1.0/publish/bus/orders", "/v1.0/publish/bus/orders"},
      {"/v1.0/invoke/shop/method/orders/17", "/v1.0/invoke/shop/method/orders/17"},
      {"/v1.0/healthz", "/v1.0/healthz"},
      {"/", "/"},
      {"", ""},
      {"*", "*"},
      {"?a=b", ""},
      {"/v1.0/actors/" + std::string(300, 'A') + "/17/method/add", "_other"},
  };
  for (const auto& [target, label] : cases) EXPECT_EQ(PathLabel(target).text(), label) << target;
}

TEST(HttpServerMetrics, HasDaprsNamesAndLabels) {
  Metrics metrics;
  HttpServerMetrics http(metrics, "orders");
  for (int i = 0; i < 2; ++i) {
    http.record({"GET", fmt::format("/v1.0/state/store/{}", i), 200, 0, 12, milliseconds(3)});
  }
  http.record({"BREW", "/v1.0/healthz", 99999, 10, 2000, milliseconds(1)});
  expect_lines(
      metrics,
      {
          R"(dapr_http_server_request_count{app_id="orders",method="GET",path="/v1.0/state/store",status="200"} 2)",
          R"(dapr_http_server_response_count{app_id="orders",method="GET",path="/v1.0/state/store",status="200"} 2)",
          R"(dapr_http_server_request_count{app_id="orders",method="UNKNOWN",path="/v1.0/healthz",status="599"} 1)",
          R"(dapr_http_server_latency_bucket{app_id="orders",method="GET",path="/v1.0/state/store",status="200",le="2"} 0)",
          R"(dapr_http_server_latency_bucket{app_id="orders",method="GET",path="/v1.0/state/store",status="200",le="3"} 2)",
          R"(dapr_http_server_latency_sum{app_id="orders",method="GET",path="/v1.0/state/store",status="200"} 6)",
          R"(dapr_http_server_request_bytes_sum{app_id="orders"} 10)",
          R"(dapr_http_server_response_bytes_sum{app_id="orders"} 2024)",
          R"(dapr_http_server_response_bytes_bucket{app_id="orders",le="1024"} 2)",
          R"(dapr_http_server_response_bytes_bucket{app_id="orders",le="2048"} 3)",
      });
}

TEST(HttpServerMetrics, LeavesOutPathsAndMethodsWhereTheConfigurationSaysSo) {
  Metrics metrics({.http_paths = false, .http_methods = false});
  HttpServerMetrics http(metrics, "orders");
  http.record({"GET", "/v1.0/state/store/1", 200, 0, 0, milliseconds(1)});
  http.record({"POST", "/v1.0/invoke/a/method/b", 200, 0, 0, milliseconds(1)});
  expect_lines(metrics, {R"(dapr_http_server_request_count{app_id="orders",method="",path="",status="200"} 2)"});
  EXPECT_THAT(metrics.expose(), Not(HasSubstr("dapr_http_server_response_count")));
}

TEST(HttpServerMetrics, PathsOfClientsAreBounded) {
  Metrics metrics;
  HttpServerMetrics http(metrics, "orders");
  for (int i = 0; i < 5000; ++i) {
    http.record({"GET", fmt::format("/v1.0/invoke/app/method/{}", i), 200, 0, 0, microseconds(1)});
  }
  const std::string text = metrics.expose();
  EXPECT_LE(lines_with(text, "dapr_http_server_request_count{"), 1001u);
  EXPECT_THAT(
      text,
      HasSubstr(R"(dapr_http_server_request_count{app_id="orders",method="",path="_other",status="_other"} 4000)"));
  EXPECT_THAT(text, HasSubstr(R"(path="/v1.0/invoke/app/method/999",status="200"} 1)"));
}

TEST(HttpServerMetrics, FromManyThreads) {
  Metrics metrics;
  HttpServerMetrics http(metrics, "a");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) http.record({"POST", "/p", 200 + i % 50, 1, 1, microseconds(10)});
    });
  }
  for (auto& thread : threads) thread.join();
  expect_lines(metrics, {R"(dapr_http_server_request_count{app_id="a",method="POST",path="/p",status="249"} 160)"});
  EXPECT_EQ(lines_with(metrics.expose(), "dapr_http_server_request_count{"), 50u);
}

TEST(HttpClientMetrics, HasDaprsNamesAndLabels) {
  Metrics metrics;
  HttpClientMetrics http(metrics, "orders");
  http.record({"POST", "/orders-events", 200, 300, 16, milliseconds(4)});
  http.record({"POST", "/orders-events", 500, 700, 0, milliseconds(4)});
  expect_lines(
      metrics,
      {
          R"(dapr_http_client_completed_count{app_id="orders",method="POST",path="/orders-events",status="200"} 1)",
          R"(dapr_http_client_completed_count{app_id="orders",method="POST",path="/orders-events",status="500"} 1)",
          R"(dapr_http_client_roundtrip_latency_bucket{app_id="orders",method="POST",path="/orders-events",status="200",le="3"} 0)",
          R"(dapr_http_client_roundtrip_latency_bucket{app_id="orders",method="POST",path="/orders-events",status="200",le="4"} 1)",
          R"(dapr_http_client_sent_bytes_sum{app_id="orders",method="POST",path="/orders-events"} 1000)",
          R"(dapr_http_client_received_bytes_sum{app_id="orders"} 16)",
      });
}

TEST(AppPortMetrics, HaveNamesOfTheirOwn) {
  Metrics metrics;
  AppPortMetrics port(metrics, "orders");
  port.record({"GET", "/a", 200, 1, 2, microseconds(20)});
  port.record({"GET", "/b", 200, 1, 2, microseconds(20)});
  expect_lines(metrics, {
                            R"(tandem_app_requests_total{app_id="orders",method="GET",status="200"} 2)",
                            R"(tandem_app_request_seconds_bucket{app_id="orders",le="2.5e-05"} 2)",
                            R"(tandem_app_request_bytes_sum{app_id="orders"} 2)",
                            R"(tandem_app_response_bytes_sum{app_id="orders"} 4)",
                        });
  EXPECT_THAT(metrics.expose(), Not(HasSubstr("dapr_")));
}

TEST(InvocationMetrics, CountsBothEnds) {
  Metrics metrics;
  InvocationMetrics invocations(metrics, "callee");
  invocations.record_request("caller");
  invocations.record_request("caller");
  invocations.record_response("caller", 201, milliseconds(5));
  invocations.record_request("callee");  // to itself
  invocations.record_response("callee", 200, milliseconds(5));
  expect_lines(
      metrics,
      {
          R"(dapr_runtime_service_invocation_req_sent_total{app_id="caller",dst_app_id="callee",type="unary"} 2)",
          R"(dapr_runtime_service_invocation_req_recv_total{app_id="callee",src_app_id="caller"} 2)",
          R"(dapr_runtime_service_invocation_res_sent_total{app_id="callee",dst_app_id="caller",status="201"} 1)",
          R"(dapr_runtime_service_invocation_res_recv_total{app_id="caller",src_app_id="callee",status="201",type="unary"} 1)",
          R"(dapr_runtime_service_invocation_res_recv_latency_ms_bucket{app_id="caller",src_app_id="callee",status="201",le="4"} 0)",
          R"(dapr_runtime_service_invocation_res_recv_latency_ms_bucket{app_id="caller",src_app_id="callee",status="201",le="5"} 1)",
      });
  const std::string text = metrics.expose();
  EXPECT_EQ(lines_with(text, "dapr_runtime_service_invocation_req_sent_total{"), 1u);
  EXPECT_EQ(lines_with(text, "dapr_runtime_service_invocation_res_sent_total{"), 1u);
}

}  // namespace
}  // namespace tandem::telemetry
