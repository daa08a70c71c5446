// Resiliency policies on a clock that a test turns: one Resilience, read from YAML, whose time is a TestLoop's.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/testing/test_loop.h"
#include "config/resource_loader.h"
#include "policy/resilience.h"

namespace tandem::policy {

class PoliciesOnAClock {
 public:
  // `spec`: the YAML below "spec:", indented.
  explicit PoliciesOnAClock(std::string_view spec) {
    config::Resources resources;
    config::Diagnostics diagnostics;
    config::parse_resources(
        "apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: {name: mine}\nspec:\n" + std::string(spec), "r.yaml",
        resources, diagnostics);
    auto set = config::ResiliencySet::of(resources.resiliencies, "caller", diagnostics);
    EXPECT_EQ(diagnostics.to_string(), "");
    resilience_ = std::make_unique<Resilience>(Resilience::Parts{
        .app_id = "caller", .set = std::move(set), .metrics = metrics_, .timers = loop_, .clock = [this] {
          return SteadyTime(std::chrono::hours(1) + loop_.now());
        }});
  }

  TestLoop& loop() { return loop_; }
  Resilience& resilience() { return *resilience_; }
  std::string metrics() const { return metrics_.expose(); }

 private:
  TestLoop loop_;
  telemetry::Metrics metrics_;
  std::unique_ptr<Resilience> resilience_;
};

}  // namespace tandem::policy
