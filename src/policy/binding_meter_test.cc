#include "policy/binding_meter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace tandem::policy {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

TEST(BindingMeter, CountsAsDaprDoes) {
  telemetry::Metrics metrics;
  BindingMeter meter(metrics, "default");
  meter.invoked("app", "web", "get", {}, milliseconds(3));
  meter.invoked("app", "web", "get", {}, milliseconds(3));
  meter.invoked("app", "web", "post", fail(Code::kInternal, "no"), milliseconds(3));
  meter.delivered("app", "timer", {}, milliseconds(3));
  meter.delivered("app", "timer", fail(Code::kUnavailable, "no"), milliseconds(3));
  const std::string text = metrics.expose();
  const auto output = [](const char* operation, const char* success) {
    return std::string(R"(dapr_component_output_binding_count{app_id="app",component="web",namespace="default",)") +
           "operation=\"" + operation + "\",success=\"" + success + "\"} ";
  };
  EXPECT_THAT(text, HasSubstr(output("get", "true") + "2"));
  EXPECT_THAT(text, HasSubstr(output("post", "false") + "1"));
  for (const char* success : {"true", "false"}) {
    EXPECT_THAT(
        text,
        HasSubstr(
            std::string(R"(dapr_component_input_binding_count{app_id="app",component="timer",namespace="default",)") +
            "success=\"" + success + "\"} 1"));
  }
  EXPECT_THAT(text, HasSubstr("dapr_component_output_binding_latencies_count{"));
}

TEST(BindingMeter, NamesThatClientsMakeUpShareASeries) {
  telemetry::Metrics metrics;
  BindingMeter meter(metrics, "default");
  for (int i = 0; i < 3000; ++i) meter.invoked("app", "b" + std::to_string(i), "o", {}, milliseconds(1));
  const std::string text = metrics.expose();
  std::size_t series = 0;
  for (std::size_t at = 0; (at = text.find("\ndapr_component_output_binding_count{", at)) != std::string::npos; ++at) {
    ++series;
  }
  EXPECT_LE(series, 2 * 1001u);
  EXPECT_THAT(text, HasSubstr(std::string(telemetry::Metrics::kOverflow)));
}

}  // namespace
}  // namespace tandem::policy
