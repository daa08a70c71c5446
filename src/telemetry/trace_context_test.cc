#include "telemetry/trace_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace tandem::telemetry {
namespace {

constexpr std::string_view kHeader = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(TraceParent, RoundTrips) {
  auto trace = parse_traceparent(kHeader);
  ASSERT_TRUE(trace);
  EXPECT_EQ(trace->trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(trace->parent_id, 0x00f067aa0ba902b7U);
  EXPECT_TRUE(trace->sampled());
  EXPECT_EQ(trace->to_string(), kHeader);
  EXPECT_EQ(parse_traceparent(" " + std::string(kHeader) + "\t"), trace);
}

TEST(TraceParent, RefusesWhatTheStandardRefuses) {
  for (std::string_view bad : {
           "",
           "00",
           "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
           "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
           "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra",
           "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01extra",
           "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
           "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
           "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-001",
       }) {
    EXPECT_FALSE(parse_traceparent(bad)) << bad;
  }
}

TEST(TraceParent, ReadsLaterVersionsAndKeepsOnlyTheSampledFlag) {
  auto trace = parse_traceparent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff-what.the.future");
  ASSERT_TRUE(trace);
  EXPECT_EQ(trace->to_string(), kHeader);
  EXPECT_FALSE(parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02")->sampled());
}

TEST(BeginTrace, ContinuesTheCallersTrace) {
  TraceContext context = begin_trace(kHeader, "vendor=1", Sampler(0));
  auto trace = parse_traceparent(context.traceparent);
  ASSERT_TRUE(trace);
  EXPECT_EQ(trace->trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_NE(trace->parent_id, 0x00f067aa0ba902b7U);
  EXPECT_TRUE(trace->sampled());
  EXPECT_EQ(context.tracestate, "vendor=1");
  EXPECT_EQ(trace_id_of(context), "4bf92f3577b34da6a3ce929d0e0e4736");
}

TEST(BeginTrace, StartsOneWithoutAValidParent) {
  TraceContext context = begin_trace("nonsense", "vendor=1", Sampler(1));
  auto trace = parse_traceparent(context.traceparent);
  ASSERT_TRUE(trace);
  EXPECT_TRUE(trace->sampled());
  EXPECT_EQ(context.tracestate, "");
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(begin_trace("", "", Sampler(0)).traceparent);
  EXPECT_EQ(ids.size(), 1000U);
}

TEST(ChildTrace, HasTheSameTraceAndANewSpan) {
  TraceContext context = begin_trace(kHeader, "vendor=1", Sampler(0));
  TraceContext child = child_trace(context);
  EXPECT_EQ(trace_id_of(child), trace_id_of(context));
  EXPECT_NE(child.traceparent, context.traceparent);
  EXPECT_TRUE(child.traceparent.ends_with("-01"));
  EXPECT_EQ(child.tracestate, "vendor=1");
  EXPECT_EQ(child_trace({}).traceparent, "");
  EXPECT_EQ(trace_id_of({}), "");
}

TEST(Sampler, TakesItsShareByTraceId) {
  TraceParent low{1, 0, 1, 0};
  TraceParent high{1, ~std::uint64_t{0}, 1, 0};
  EXPECT_FALSE(Sampler(0).sample(low));
  EXPECT_TRUE(Sampler(0.5).sample(low));
  EXPECT_FALSE(Sampler(0.5).sample(high));
  EXPECT_TRUE(Sampler(1).sample(high));
  const std::string unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
  EXPECT_TRUE(begin_trace(unsampled, "", Sampler(1)).traceparent.ends_with("-00"));
  int sampled = 0;
  for (int i = 0; i < 4000; ++i) sampled += begin_trace("", "", Sampler(0.25)).traceparent.ends_with("-01") ? 1 : 0;
  EXPECT_NEAR(sampled, 1000, 200);
}

TEST(TraceState, IsBounded) {
  EXPECT_EQ(valid_tracestate("a=1,b=2"), "a=1,b=2");
  EXPECT_EQ(valid_tracestate(std::string(513, 'a')), "");
  EXPECT_EQ(valid_tracestate(std::string(32, ',')), "");
  EXPECT_EQ(valid_tracestate("a=\r\nx: y"), "");
}

}  // namespace
}  // namespace tandem::telemetry
