#include "api/grpc/call_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "api/grpc/invoke_answer.h"
#include "api/grpc/unserved_methods.h"

namespace tandem::api::grpc {
namespace {

using testing::ElementsAre;
using testing::Pair;

std::string binary_trace(char version = 0, char id = 1) {
  std::string bytes(29, '\0');
  bytes[0] = version;
  for (int i = 0; i < 16; ++i) bytes[2 + i] = static_cast<char>(i * id);
  bytes[18] = 1;
  for (int i = 0; i < 8; ++i) bytes[19 + i] = static_cast<char>((16 + i) * id);
  bytes[27] = 2;
  bytes[28] = 1;
  return bytes;
}

TEST(CallMetadataTest, ReadsABinaryTrace) {
  EXPECT_EQ(traceparent_of_binary(binary_trace()), "00-000102030405060708090a0b0c0d0e0f-1011121314151617-01");
  EXPECT_EQ(traceparent_of_binary(binary_trace() + "more"), traceparent_of_binary(binary_trace()));
}

TEST(CallMetadataTest, WhatIsNoTraceIsNone) {
  EXPECT_EQ(traceparent_of_binary(""), "");
  EXPECT_EQ(traceparent_of_binary(binary_trace().substr(0, 28)), "");
  EXPECT_EQ(traceparent_of_binary(binary_trace(1)), "");
  EXPECT_EQ(traceparent_of_binary(binary_trace(0, 0)), "");
}

TEST(CallMetadataTest, HeadersBecomeMetadataAsDaprdHasIt) {
  const std::array<net::Header, 9> headers = {net::Header{"Content-Type", "text/plain"},
                                              {"Content-Length", "5"},
                                              {"X-Own", "a"},
                                              {"X-Own", "b"},
                                              {"Connection", "close"},
                                              {"X-Raw-Bin", "AP8="},
                                              {"X-Broken-Bin", "%"},
                                              {"X-Bad", "a\tb"},
                                              {"Grpc-Status", "0"}};
  EXPECT_THAT(metadata_of_headers(headers),
              ElementsAre(Pair("dapr-content-type", "text/plain"), Pair("x-own", "a"), Pair("x-own", "b"),
                          Pair("x-raw-bin", std::string("\0\xff", 2))));
}

TEST(CallMetadataTest, FindsTheNameInAMessage) {
  EXPECT_EQ(first_string_field(std::string("\x12\x01x\x0a\x04mail", 9)), "mail");
  EXPECT_EQ(first_string_field(""), "");
  EXPECT_EQ(first_string_field(std::string("\x0a\x7fshort", 7)), "");
  EXPECT_EQ(first_string_field("\xff\xff\xff\xff\xff\xff"), "");
}

TEST(CallMetadataTest, EveryMethodThatIsNotServedHasAnAnswer) {
  const std::string service = "/dapr.proto.runtime.v1.Dapr/";
  EXPECT_EQ(unserved_error(service + "TryLockAlpha1", "").message, "lock store is not configured");
  EXPECT_EQ(unserved_error(service + "SubtleSignAlpha1", "").code, Code::kUnimplemented);
  EXPECT_EQ(unserved_error(service + "ConverseAlpha2", "llm").message, "failed finding conversation component llm");
  EXPECT_EQ(unserved_error(service + "New", "").message,
            "method New of service dapr.proto.runtime.v1.Dapr is not served here");
  EXPECT_EQ(unserved_error("nonsense", "").code, Code::kUnknown);
  EXPECT_TRUE(names_component(service + "ConverseAlpha1"));
  EXPECT_FALSE(names_component(service + "TryLockAlpha1"));
}

}  // namespace
}  // namespace tandem::api::grpc
