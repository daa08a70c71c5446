#include "telemetry/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "telemetry/dapr_metrics.h"

namespace tandem::telemetry {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Instruments, AddUpOverThreads) {
  Counter counter;
  Gauge gauge;
  Histogram histogram({1, 2});
  std::vector<std::thread> threads;
  for (int t = 0; t < 12; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        counter.add();
        gauge.add(i % 2 == 0 ? 1 : -1);
        histogram.observe(i % 4);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(counter.value(), 12'000U);
  EXPECT_EQ(gauge.value(), 0);
  Histogram::Snapshot snapshot = histogram.snapshot();
  EXPECT_THAT(snapshot.counts, ::testing::ElementsAre(6000, 3000, 3000));
  EXPECT_DOUBLE_EQ(snapshot.sum, 12.0 * 250 * (0 + 1 + 2 + 3));
}

TEST(Metrics, TheSameLabelsAreTheSameSeries) {
  Metrics metrics;
  Counter& a = metrics.counter("x_total", "Help.", {{"a", "1"}, {"b", "2"}});
  Counter& b = metrics.counter("x_total", "Other help.", {{"b", "2"}, {"a", "1"}});
  EXPECT_EQ(&a, &b);
  EXPECT_NE(&a, &metrics.counter("x_total", "", {{"a", "1"}, {"b", "3"}}));
  a.add(5);
  EXPECT_THAT(metrics.expose(),
              HasSubstr("# HELP x_total Help.\n# TYPE x_total counter\nx_total{a=\"1\",b=\"2\"} 5\n"));
}

TEST(Metrics, ExposesHistogramsCumulatively) {
  Metrics metrics({.latency_buckets_ms = {1, 5}});
  Histogram& latency = metrics.latency("l_ms", "Latency.", {{"a", "1"}});
  latency.observe_ms(milliseconds(1));
  latency.observe_ms(microseconds(1500));
  latency.observe_ms(milliseconds(100));
  std::string text = metrics.expose();
  EXPECT_THAT(text, HasSubstr("l_ms_count{a=\"1\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("l_ms_sum{a=\"1\"} 102.5\n"));
  EXPECT_THAT(text, HasSubstr("l_ms_bucket{a=\"1\",le=\"1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("l_ms_bucket{a=\"1\",le=\"5\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("l_ms_bucket{a=\"1\",le=\"+Inf\"} 3\n"));
}

TEST(Metrics, LabelsCannotBreakTheFormat) {
  Metrics metrics;
  metrics.counter("x_total", "Help.", {{"path", "/a\"b\\c\nfake 1"}}).add();
  EXPECT_THAT(metrics.expose(), HasSubstr("x_total{path=\"/a\\\"b\\\\c\\nfake 1\"} 1\n"));
}

TEST(Metrics, TheNumberOfSeriesIsBounded) {
  Metrics metrics;
  Counter& first = metrics.counter("x_total", "", {{"path", "0"}});
  for (std::size_t i = 1; i < Metrics::kMaxSeries; ++i) metrics.counter("x_total", "", {{"path", std::to_string(i)}});
  Counter& over = metrics.counter("x_total", "", {{"path", "one too many"}});
  EXPECT_EQ(&over, &metrics.counter("x_total", "", {{"path", "and another"}}));
  EXPECT_EQ(&first, &metrics.counter("x_total", "", {{"path", "0"}}));
  over.add();
  EXPECT_THAT(metrics.expose(), HasSubstr("x_total{path=\"_other\"} 1\n"));
}

TEST(Metrics, ANameHasOneKind) {
  Metrics metrics;
  metrics.counter("x", "", {}).add();
  metrics.gauge("x", "", {}).set(7);
  std::string text = metrics.expose();
  EXPECT_THAT(text, HasSubstr("x 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("x 7\n")));
}

TEST(DaprMetrics, Components) {
  Metrics metrics;
  StateMetrics state(metrics, {"orders", "store"});
  state.get.record_success(milliseconds(2));
  state.remove.record_failure(milliseconds(2));
  PubsubMetrics pubsub(metrics, {"orders", "bus"}, "topic");
  pubsub.publish.record_success(milliseconds(1));
  pubsub.record_delivery(DeliveryStatus::kRetry, milliseconds(1));
  pubsub.in_flight.set(3);
  ComponentLoadMetrics load(metrics, "orders");
  load.record_loaded("state.sqlite");
  load.record_failed("state.redis", "cache", "init");
  std::string text = metrics.expose();
  for (
      std::string_view line : {
          R"(dapr_component_state_count{app_id="orders",component="store",namespace="default",operation="get",success="true"} 1)",
          R"(dapr_component_state_count{app_id="orders",component="store",namespace="default",operation="delete",success="false"} 1)",
          R"(dapr_component_state_latencies_count{app_id="orders",component="store",namespace="default",operation="get",success="true"} 1)",
          R"(dapr_component_pubsub_egress_count{app_id="orders",component="bus",namespace="default",success="true",topic="topic"} 1)",
          R"(dapr_component_pubsub_ingress_count{app_id="orders",component="bus",namespace="default",process_status="retry",status="retry",topic="topic"} 1)",
          R"(dapr_component_pubsub_ingress_in_flight{app_id="orders",component="bus",namespace="default",topic="topic"} 3)",
          R"(dapr_runtime_component_loaded{app_id="orders"} 1)",
          R"(dapr_runtime_component_init_total{app_id="orders",component="state.sqlite"} 1)",
          R"(dapr_runtime_component_init_fail_total{app_id="orders",component="state.redis",componentName="cache",reason="init"} 1)",
      }) {
    EXPECT_THAT(text, HasSubstr(std::string(line) + "\n"));
  }
}

TEST(TandemMetrics, Guests) {
  Metrics metrics;
  GuestMetrics guest(metrics, "orders");
  guest.record_call(microseconds(20));
  guest.traps.add();
  guest.instances.add(2);
  guest.instances.add(-1);
  std::string text = metrics.expose();
  EXPECT_THAT(text, HasSubstr("tandem_guest_calls_total{app_id=\"orders\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("tandem_guest_traps_total{app_id=\"orders\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("tandem_guest_instances{app_id=\"orders\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("tandem_guest_call_seconds_bucket{app_id=\"orders\",le=\"2.5e-05\"} 1\n"));
}

}  // namespace
}  // namespace tandem::telemetry
