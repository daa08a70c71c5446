#include "config/resiliency.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/resource_loader.h"

namespace tandem::config {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ResiliencyTest : public testing::Test {
 protected:
  const std::vector<Resiliency>& parse(std::string_view text) {
    parse_resources(text, "r.yaml", resources_, diagnostics_);
    return resources_.resiliencies;
  }
  ResiliencySet set(std::string_view app_id = "a") {
    return ResiliencySet::of(resources_.resiliencies, app_id, diagnostics_);
  }
  static std::string document(std::string_view spec, std::string_view more = "") {
    return std::string("apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: {name: r}\n") + std::string(more) +
           "spec:\n" + std::string(spec);
  }

  Resources resources_;
  Diagnostics diagnostics_;
};

TEST_F(ResiliencyTest, ReadsEveryKey) {
  const auto& all = parse(R"(apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: mine, namespace: ns}
scopes: [a]
spec:
  policies:
    timeouts: {quick: 500ms, plain: 250, long: 1m30s}
    retries:
      often: {policy: constant, duration: 100, maxRetries: 7}
      growing: {policy: Exponential, maxInterval: 15s, maxRetries: -1}
      some:
        matching: {httpStatusCodes: "429,501-503", gRPCStatusCodes: "2,13-14"}
      plain: {}
    circuitBreakers:
      cb: {maxRequests: 2, interval: 8s, timeout: 45s, trip: consecutiveFailures > 8}
      plain: {}
  targets:
    apps:
      b: {timeout: quick, retry: often, circuitBreaker: cb, circuitBreakerCacheSize: 10}
    components:
      store:
        outbound: {timeout: long, retry: growing}
        inbound: {circuitBreaker: plain}
)");
  ASSERT_THAT(diagnostics_.to_string(), IsEmpty());
  ASSERT_EQ(all.size(), 1U);
  const Resiliency& one = all[0];
  EXPECT_EQ(one.name, "mine");
  EXPECT_EQ(one.name_space, "ns");
  EXPECT_TRUE(one.visible_to("a"));
  EXPECT_FALSE(one.visible_to("b"));
  EXPECT_EQ(one.timeouts.at("plain"), 250ms);
  EXPECT_EQ(one.timeouts.at("long"), 90s);
  const RetryPolicy& often = one.retries.at("often");
  EXPECT_EQ(often.kind, RetryPolicy::Kind::kConstant);
  EXPECT_EQ(often.duration, 100ms);
  EXPECT_EQ(often.max_retries, 7);
  EXPECT_EQ(one.retries.at("growing").kind, RetryPolicy::Kind::kExponential);
  EXPECT_EQ(one.retries.at("growing").max_interval, 15s);
  EXPECT_EQ(one.retries.at("plain").duration, 5s);
  EXPECT_EQ(one.retries.at("plain").max_retries, -1);
  const RetryPolicy& some = one.retries.at("some");
  for (const int code : {429, 501, 502, 503, 2, 13, 14}) EXPECT_TRUE(some.retries(code)) << code;
  for (const int code : {428, 500, 504, 1, 12, 15, 50, 700}) EXPECT_FALSE(some.retries(code)) << code;
  EXPECT_TRUE(often.retries(500));
  EXPECT_EQ(one.breakers.at("cb").max_requests, 2U);
  EXPECT_EQ(one.breakers.at("cb").interval, 8s);
  EXPECT_EQ(one.breakers.at("cb").timeout, 45s);
  EXPECT_FALSE(one.breakers.at("cb").trip.trips({.consecutive_failures = 8}));
  EXPECT_TRUE(one.breakers.at("cb").trip.trips({.consecutive_failures = 9}));
  EXPECT_EQ(one.breakers.at("plain").timeout, 60s);
  EXPECT_TRUE(one.breakers.at("plain").trip.trips({.consecutive_failures = 6}));

  const ResiliencySet mine = set("a");
  EXPECT_THAT(diagnostics_.to_string(), IsEmpty());
  EXPECT_EQ(mine.app("b").timeout, 500ms);
  EXPECT_EQ(mine.app("b").breaker_name, "cb");
  EXPECT_EQ(mine.max_breakers("b"), 10U);
  EXPECT_EQ(mine.max_breakers("c"), 100U);
  EXPECT_TRUE(mine.names_app("b"));
  EXPECT_FALSE(mine.names_app("c"));
  EXPECT_TRUE(mine.app("c").empty());
  EXPECT_EQ(mine.component("store", TargetKind::kStateStore, Direction::kOutbound).timeout, 90s);
  EXPECT_EQ(mine.component("store", TargetKind::kPubsub, Direction::kInbound).timeout, 0s);
  EXPECT_TRUE(set("b").empty());
}

TEST_F(ResiliencyTest, EveryMistakeHasItsLine) {
  parse(document(R"(  policies:
    timeouts: {a: soon, b: -1s}
    retries:
      a: {policy: often}
      b: {maxRetries: many}
      c: {matching: {httpStatusCodes: "99", gRPCStatusCodes: "5-3"}}
      DaprBuiltInServiceRetries: {maxRetries: 9}
      DaprBuiltInActorRetries: {maxRetries: 9}
    circuitBreakers:
      a: {trip: requests * 2 > 5}
  targets:
    apps:
      b: {timeout: non, retyr: a}
    components:
      s: {outbound: {retry: nope}}
    actors:
      t: {timeout: a}
)"));
  set();
  const std::string text = diagnostics_.to_string();
  for (const char* expected :
       {"r.yaml:6: spec.policies.timeouts.a: \"soon\" is not a duration",
        "r.yaml:6: spec.policies.timeouts.b: a duration",
        "r.yaml:8: spec.policies.retries.a.policy must be one of constant, exponential, not \"often\"",
        "r.yaml:9: spec.policies.retries.b.maxRetries must be",
        "r.yaml:10: spec.policies.retries.c.matching.httpStatusCodes: \"99\" is not a code or a range",
        "r.yaml:10: spec.policies.retries.c.matching.gRPCStatusCodes: \"5-3\" is not a code",
        "r.yaml:11: spec.policies.retries.DaprBuiltInServiceRetries: what Dapr does by itself cannot be changed",
        "r.yaml:12: warning: spec.policies.retries.DaprBuiltInActorRetries has no effect",
        "r.yaml:14: spec.policies.circuitBreakers.a.trip \"requests * 2 > 5\": cannot use \"* 2 > 5\"",
        "r.yaml:17: warning: unknown key \"spec.targets.apps.b.retyr\"",
        "r.yaml:17: there is no timeout \"non\" among the policies", "r.yaml:19: there is no retry \"nope\"",
        "r.yaml:21: warning: spec.targets.actors has no effect"}) {
    EXPECT_THAT(text, HasSubstr(expected));
  }
}

TEST_F(ResiliencyTest, TheMostSpecialDefaultPolicyHolds) {
  parse(document(R"(  policies:
    timeouts:
      DefaultTimeoutPolicy: 1s
      DefaultAppTimeoutPolicy: 2s
      DefaultComponentTimeoutPolicy: 3s
      DefaultComponentInboundTimeoutPolicy: 4s
      DefaultPubsubComponentOutboundTimeoutPolicy: 5s
    retries:
      DefaultRetryPolicy: {maxRetries: 2}
    circuitBreakers:
      DefaultAppCircuitBreakerPolicy: {}
  targets:
    apps: {bare: {}}
    components: {bare: {}}
)"));
  const ResiliencySet all = set();
  using enum Direction;
  EXPECT_EQ(all.app("any").timeout, 2s);
  EXPECT_EQ(all.app("any").retry->max_retries, 2);
  EXPECT_EQ(all.app("any").breaker_name, "DefaultAppCircuitBreakerPolicy");
  EXPECT_EQ(all.component("s", TargetKind::kStateStore, kOutbound).timeout, 3s);
  EXPECT_EQ(all.component("s", TargetKind::kStateStore, kOutbound).breaker, nullptr);
  EXPECT_EQ(all.component("p", TargetKind::kPubsub, kInbound).timeout, 4s);
  EXPECT_EQ(all.component("p", TargetKind::kPubsub, kOutbound).timeout, 5s);
  // A target without policies has none.
  EXPECT_TRUE(all.app("bare").empty());
  EXPECT_TRUE(all.component("bare", TargetKind::kBinding, kOutbound).empty());
  EXPECT_THAT(diagnostics_.to_string(), IsEmpty());
}

TEST_F(ResiliencyTest, LaterResourcesComeOverEarlierOnes) {
  parse(document("  policies: {timeouts: {t: 1s, u: 5s}}\n  targets: {apps: {b: {timeout: t}}}\n"));
  parse(document("  policies: {timeouts: {t: 2s}}\n"));
  parse(document("  targets: {apps: {b: {timeout: u}}}\n", "scopes: [z]\n"));
  EXPECT_EQ(set("a").app("b").timeout, 2s);
  EXPECT_EQ(set("z").app("b").timeout, 5s);
  EXPECT_EQ(set("z").sources().size(), 3U);
  EXPECT_THAT(diagnostics_.to_string(), IsEmpty());
}

TEST_F(ResiliencyTest, MatchingIsRefusedWhereNoStatusIsKnown) {
  parse(document(R"(  policies:
    retries:
      m: {matching: {httpStatusCodes: "500"}}
      DefaultComponentInboundRetryPolicy: {matching: {httpStatusCodes: "500"}}
  targets:
    components: {p: {inbound: {retry: m}, outbound: {retry: m}}}
)"));
  set();
  EXPECT_THAT(diagnostics_.to_string(), HasSubstr("r.yaml:7: matching is not supported for what is inbound"));
  EXPECT_THAT(diagnostics_.to_string(), HasSubstr("r.yaml:8: matching is not supported for what is inbound"));
}

TEST(TripExpression, TakesComparisonsAndWhatJoinsThem) {
  const BreakerCounts counts{
      .requests = 10, .total_successes = 6, .total_failures = 4, .consecutive_successes = 0, .consecutive_failures = 3};
  const auto trips = [&](std::string_view text) {
    const auto expression = TripExpression::parse(text);
    return expression ? (expression->trips(counts) ? "yes" : "no") : expression.error().message;
  };
  for (const char* text :
       {"consecutiveFailures > 2", "consecutiveFailures>=3", "5 > totalFailures", "requests == 10", "requests != 9",
        "totalFailures < totalSuccesses", "requests > 5 && totalFailures > 3", "requests > 50 || totalFailures <= 4",
        "!(requests > 50)", "requests > 50 && requests > 60 || totalFailures > 3", "consecutiveSuccesses > -1"}) {
    EXPECT_EQ(trips(text), "yes") << text;
  }
  for (const char* text : {"consecutiveFailures > 3", "requests > 50 && (totalFailures > 3 || requests > 1)",
                           "!(requests > 5)", "totalFailures > totalSuccesses"}) {
    EXPECT_EQ(trips(text), "no") << text;
  }
  for (const char* text :
       {"", "requests", "requests >", "requests + 1 > 5", "failures > 5", "requests > 5.0", "requests > 5u",
        "requests > 5 &&", "(requests > 5", "requests > 5)", "requests > 5 ? true : false", "true",
        "double(totalFailures) / double(requests) > 0.5", "requests > 99999999999999999999"}) {
    EXPECT_THAT(trips(text), HasSubstr("this version takes comparisons")) << text;
  }
  EXPECT_THAT(trips(std::string(300, '(')), HasSubstr("longer than 256"));
}

}  // namespace
}  // namespace tandem::config
