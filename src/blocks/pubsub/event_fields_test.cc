// What a guest's topic handler sees of an envelope.
#include "blocks/pubsub/event_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tandem::pubsub {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

std::string data_of(std::string_view type, std::string_view member) {
  return typed_event(R"({"datacontenttype":")" + std::string(type) + "\"," + std::string(member) + "}").value().data;
}

TEST(TypedEvent, HasTheAttributesOfTheEnvelope) {
  const auto event = typed_event(
      R"({"type":"t","id":"1","source":"s","specversion":"1.0","subject":"a \"b\"","number":5,"nothing":null,"data":"d"})");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->id, "1");
  EXPECT_EQ(event->source, "s");
  EXPECT_EQ(event->type, "t");
  EXPECT_EQ(event->spec_version, "1.0");
  EXPECT_EQ(event->data_content_type, "");
  EXPECT_EQ(event->data, "d");
  EXPECT_THAT(event->attributes, ElementsAre(Pair("number", "5"), Pair("subject", "a \"b\"")));
}

TEST(TypedEvent, DataAreWhatWasPublished) {
  EXPECT_EQ(data_of("text/plain", R"("data":"a\nb")"), "a\nb");
  EXPECT_EQ(data_of("application/json", R"("data":{"a": [1, 2]})"), R"({"a": [1, 2]})");
  EXPECT_EQ(data_of("application/json", R"("data":"text")"), "\"text\"") << "JSON stays JSON";
  EXPECT_EQ(data_of("application/problem+json; v=1", R"("data":"x")"), "\"x\"");
  // Whatever the type: a string is its characters.
  EXPECT_EQ(data_of("application/x-mine", R"("data":"a\u00e9")"), "a\u00e9");
  EXPECT_EQ(data_of("application/octet-stream", R"("data_base64":"AP8=")"), std::string("\0\xff", 2));
  EXPECT_EQ(data_of("text/plain", R"("data":null)"), "");
  EXPECT_EQ(data_of("text/plain", R"("id":"none")"), "");
}

TEST(TypedEvent, WhatIsNoEventFails) {
  EXPECT_EQ(typed_event("[]").error().code, Code::kInvalidArgument);
  EXPECT_EQ(typed_event(R"({"data_base64":"?"})").error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace tandem::pubsub
