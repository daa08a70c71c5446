#include "components/grpc/state_messages.h"

#include <gtest/gtest.h>

namespace tandem::components::grpc {
namespace {

namespace wire = ::dapr::proto::components::v1;

TEST(StateMessages, AWriteGoesAsItIs) {
  wire::SetRequest message;
  to_wire(state::SetRequest{.key = "shop||1",
                            .value = share("{}"),
                            .etag = "7",
                            .concurrency = state::Concurrency::kFirstWrite,
                            .consistency = state::Consistency::kStrong,
                            .ttl_seconds = 30,
                            .metadata = {{"colour", "red"}}},
          message);
  EXPECT_EQ(message.key(), "shop||1");
  EXPECT_EQ(message.value(), "{}");
  EXPECT_EQ(message.etag().value(), "7");
  EXPECT_EQ(message.options().concurrency(), wire::StateOptions::CONCURRENCY_FIRST_WRITE);
  EXPECT_EQ(message.options().consistency(), wire::StateOptions::CONSISTENCY_STRONG);
  EXPECT_EQ(message.metadata().at("colour"), "red");
  EXPECT_EQ(message.metadata().at("ttlInSeconds"), "30");
}

TEST(StateMessages, WhatAUserWroteOfItsTimeStays) {
  wire::SetRequest message;
  to_wire(state::SetRequest{.key = "k", .ttl_seconds = 30, .metadata = {{"ttlInSeconds", "soon"}}}, message);
  EXPECT_EQ(message.metadata().at("ttlInSeconds"), "soon");
  EXPECT_FALSE(message.has_etag());
}

TEST(StateMessages, AnAnswerWithoutAnythingIsNoValue) {
  wire::GetResponse nothing;
  EXPECT_EQ(to_value(nothing).data, nullptr);
  wire::GetResponse empty;
  empty.mutable_etag()->set_value("1");
  EXPECT_EQ(*to_value(empty).data, "");
  wire::GetResponse full;
  full.set_data("x");
  (*full.mutable_metadata())["ttlExpireTime"] = "2026-01-31T09:00:00Z";
  const state::GetResponse value = to_value(full);
  EXPECT_EQ(*value.data, "x");
  EXPECT_EQ(value.expires_at_ms, 1'769'850'000'000);
  full.set_data("x");
  (*full.mutable_metadata())["ttlExpireTime"] = "soon";
  EXPECT_EQ(to_value(full).expires_at_ms, std::nullopt);
}

TEST(StateMessages, ABulkIsInTheOrderOfItsKeys) {
  wire::BulkGetResponse message;
  auto& broken = *message.add_items();
  broken.set_key("c");
  broken.set_error("the disk is gone");
  auto& there = *message.add_items();
  there.set_key("a");
  there.set_data("1");
  const auto items = to_items({"a", "b", "c", "a"}, message);
  ASSERT_EQ(items.size(), 4u);
  EXPECT_EQ(*items[0].value.data, "1");
  EXPECT_EQ(items[1].key, "b");
  EXPECT_EQ(items[1].value.data, nullptr);
  EXPECT_EQ(items[2].error->message, "the disk is gone");
  EXPECT_EQ(*items[3].value.data, "1");
}

}  // namespace
}  // namespace tandem::components::grpc
