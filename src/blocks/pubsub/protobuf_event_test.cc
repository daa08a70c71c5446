#include "blocks/pubsub/protobuf_event.h"

#include <gtest/gtest.h>

#include <string>

namespace tandem::pubsub {
namespace {

using std::string_literals::operator""s;

TEST(ProtobufEvent, KnowsOneByItsFields) {
  EXPECT_TRUE(is_protobuf_event("\x0a\x01i\x12\x01s\x1a\x03\x31.0\x22\x01t"));
  EXPECT_TRUE(is_protobuf_event(""));
  EXPECT_TRUE(is_protobuf_event("\x32\x02\xff\x00"s));  // bytes need be no text
  EXPECT_TRUE(is_protobuf_event("\x50\x96\x01"));       // a field that nobody knows
}

TEST(ProtobufEvent, AnythingElseIsNone) {
  EXPECT_FALSE(is_protobuf_event("abc"));
  EXPECT_FALSE(is_protobuf_event("\x0a\x05i"));                                     // ends too early
  EXPECT_FALSE(is_protobuf_event("\x0a\x01\xff"));                                  // an id that is no text
  EXPECT_FALSE(is_protobuf_event("\x02\x00"s));                                     // no number of a field
  EXPECT_FALSE(is_protobuf_event("\x50\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"));  // more than 64 bits
  EXPECT_FALSE(is_protobuf_event("\x0b\x0c"));                                      // a group
}

}  // namespace
}  // namespace tandem::pubsub
