// Unary calls as frames by hand, at a door.
#include "api/grpc/unary_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/grpc/testing/test_door.h"
#include "net/testing/http2_peer.h"

namespace tandem::api::grpc {
namespace {

namespace wire = ::dapr::proto::runtime::v1;
using net::Http2Answer;
using net::Http2Peer;
using testing::AllOf;
using testing::HasSubstr;

constexpr char kGetState[] = "/dapr.proto.runtime.v1.Dapr/GetState";

std::string framed(const std::string& message) {
  std::string out;
  net::grpc::append_frame(out, message);
  return out;
}

std::string get_request(const std::string& key) {
  wire::GetStateRequest request;
  request.set_store_name("store");
  request.set_key(key);
  return framed(request.SerializeAsString());
}

Http2Peer::Fields head(Http2Peer::Fields more = {}) {
  Http2Peer::Fields fields = {{"content-type", "application/grpc"}, {"te", "trailers"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

TEST(UnaryCallTest, AnAnswerIsAHeadAMessageAndItsStatus) {
  TestDoor door;
  door.store->items["caller||k"] = {.data = share(std::string("value")), .etag = "7"};
  Http2Peer peer(door.door->port());
  const Http2Answer& answer = peer.answer(peer.request("POST", kGetState, head(), get_request("k")));
  EXPECT_EQ(answer.headers, "content-type=application/grpc;grpc-accept-encoding=gzip;");
  wire::GetStateResponse response;
  response.set_data("value");
  response.set_etag("7");
  EXPECT_EQ(answer.body, framed(response.SerializeAsString()));
  EXPECT_EQ(answer.trailers, "grpc-status=0;");
}

TEST(UnaryCallTest, ManyCallsOfAConnectionAreUnderWayAtOnce) {
  TestDoor door;
  Http2Peer peer(door.door->port());
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 300; ++i) {
    ids.push_back(peer.request("POST", kGetState, head(), get_request(i % 3 == 0 ? "late" : "k")));
  }
  for (const auto id : ids) EXPECT_EQ(peer.answer(id).trailers, "grpc-status=0;") << id;
}

TEST(UnaryCallTest, AMessageMayComeInPieces) {
  TestDoor door;
  Http2Peer peer(door.door->port());
  const auto id = peer.begin("POST", kGetState, head());
  for (const char byte : get_request("k")) peer.add(id, std::string(1, byte));
  peer.finish(id);
  EXPECT_EQ(peer.answer(id).trailers, "grpc-status=0;");
}

TEST(UnaryCallTest, WhatIsNoMessageIsAnError) {
  TestDoor door;
  Http2Peer peer(door.door->port());
  EXPECT_THAT(peer.answer(peer.request("POST", kGetState, head())).headers,
              AllOf(HasSubstr("grpc-status=13;"), HasSubstr("the call has no message")));
  EXPECT_THAT(peer.answer(peer.request("POST", kGetState, head(), get_request("k").substr(0, 9))).headers,
              AllOf(HasSubstr("grpc-status=13;"), HasSubstr("unexpected EOF")));
  EXPECT_THAT(peer.answer(peer.request("POST", kGetState, head(), framed("\xff\xff"))).headers,
              AllOf(HasSubstr("grpc-status=13;"), HasSubstr("grpc: error unmarshalling request")));
}

TEST(UnaryCallTest, ADeadlineEndsAnInvocationThatHangs) {
  TestDoor door;
  door.app.answers = false;
  wire::InvokeServiceRequest request;
  request.set_id("callee");
  request.mutable_message()->set_method("m");
  request.mutable_message()->mutable_http_extension()->set_verb(::dapr::proto::common::v1::HTTPExtension::GET);
  Http2Peer peer(door.door->port());
  const Http2Answer& answer =
      peer.answer(peer.request("POST", "/dapr.proto.runtime.v1.Dapr/InvokeService", head({{"grpc-timeout", "100m"}}),
                               framed(request.SerializeAsString())));
  EXPECT_THAT(answer.headers, HasSubstr("grpc-status=4;"));
  EXPECT_TRUE(door.app.keeps);
}

TEST(UnaryCallTest, WhoLeavesInTheMiddleOfAMessageHarmsNobody) {
  TestDoor door;
  Http2Peer peer(door.door->port());
  const auto id = peer.begin("POST", kGetState, head());
  peer.add(id, get_request("k").substr(0, 9));
  ASSERT_TRUE(peer.settle());
  peer.reset(id);
  EXPECT_EQ(peer.answer(peer.request("POST", kGetState, head(), get_request("k"))).trailers, "grpc-status=0;");
  const auto last = peer.begin("POST", kGetState, head());
  peer.add(last, get_request("k").substr(0, 9));
  peer.raw().close();
}

}  // namespace
}  // namespace tandem::api::grpc
