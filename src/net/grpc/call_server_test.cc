// The server of gRPC under clients that are frames by hand: right, broken, slow and gone.
#include "net/grpc/call_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <utility>

#include "net/grpc/server_stream.h"
#include "net/testing/http2_peer.h"

namespace tandem::net::grpc {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::size_t kLimit = 4000;

std::string framed(std::string_view message, char flags = 0) {
  std::string out;
  append_frame(out, message);
  out[0] = flags;
  return out;
}

// Methods: /t/Echo sends each message back and ends when the client does, /t/Fail has a status with all that one can
// have, /t/Hang answers nothing, /t/Flood writes for ever.
class TestService final : public CallService {
 public:
  void serve(IncomingCall call) override;

  std::atomic<int> begun = 0;
  std::atomic<int> gone = 0;
  std::atomic<int> written = 0;
};

class TestStream final : public ServerStream {
 public:
  TestStream(TestService& home, IncomingCall call)
      : ServerStream(std::move(call)), home_(home), method_(this->call().method()) {}
  void open() {
    begin();
    ++home_.begun;
    if (method_ == "/t/Fail") {
      return finish({::grpc::StatusCode::ABORTED, "50% \xe2\x9c\x93", "bytes"},
                    {.initial = {{"head", "er"}}, .trailing = {{"tail-bin", std::string("\0\1", 2)}}});
    }
    if (method_ == "/t/Flood") return start_write(std::string(1000, 'x'));
    start_read();
  }

 private:
  void on_read(std::optional<std::string_view> message) override {
    if (!call().is_open() || method_ == "/t/Hang") return;
    if (!message) return finish(::grpc::Status::OK);
    start_write(std::string(*message));
  }
  void on_written(bool ok) override {
    ++home_.written;
    if (!ok) return;
    if (method_ == "/t/Flood") return start_write(std::string(1000, 'x'));
    start_read();
  }
  void on_gone() override {
    ++home_.gone;
    finish(::grpc::Status::CANCELLED);
  }

  TestService& home_;
  const std::string method_;
};

void TestService::serve(IncomingCall call) { std::make_shared<TestStream>(*this, std::move(call))->open(); }

class CallServerTest : public testing::Test {
 protected:
  CallServerTest() {
    CallRules rules{.max_message_bytes = kLimit};
    rules.ended = [this](const ServerCall& call, ::grpc::StatusCode code, std::chrono::nanoseconds) {
      const std::scoped_lock lock(mutex_);
      ended_ += std::string(call.method()) + " " + std::to_string(static_cast<int>(code)) + ";";
    };
    auto server = CallServer::listen(workers_, {.purpose = "a test"}, std::move(rules), service_);
    if (server) server_ = std::move(*server);
    workers_.start();
  }
  ~CallServerTest() override { server_.reset(); }

  Http2Peer::Fields head(Http2Peer::Fields more = {}) {
    Http2Peer::Fields fields = {{"content-type", "application/grpc"}, {"te", "trailers"}};
    fields.insert(fields.end(), more.begin(), more.end());
    return fields;
  }
  // A whole call with these bytes.
  const Http2Answer& call(Http2Peer& peer, const std::string& method, const std::string& bytes,
                          Http2Peer::Fields more = {}) {
    return peer.answer(peer.request("POST", method, head(std::move(more)), bytes));
  }
  std::string ended() {
    const std::scoped_lock lock(mutex_);
    return ended_;
  }

  TestService service_;
  std::mutex mutex_;
  std::string ended_;
  Workers workers_{1};
  std::unique_ptr<CallServer> server_;
};

TEST_F(CallServerTest, MessagesGoBothWays) {
  Http2Peer peer(server_->port());
  const Http2Answer& answer = call(peer, "/t/Echo", framed("one") + framed("") + framed("two"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers, "content-type=application/grpc;grpc-accept-encoding=gzip;");
  EXPECT_EQ(answer.body, framed("one") + framed("") + framed("two"));
  EXPECT_EQ(answer.trailers, "grpc-status=0;");
  EXPECT_EQ(ended(), "/t/Echo 0;");
}

TEST_F(CallServerTest, AnAnswerWithoutMessagesIsTrailersAlone) {
  Http2Peer peer(server_->port());
  const Http2Answer& answer = call(peer, "/t/Echo", "");
  EXPECT_EQ(answer.headers, "content-type=application/grpc;grpc-status=0;");
  EXPECT_EQ(answer.body + answer.trailers, "");
}

TEST_F(CallServerTest, AStatusGoesAsTextThatHttpCanCarry) {
  Http2Peer peer(server_->port());
  const Http2Answer& answer = call(peer, "/t/Fail", framed("x"));
  EXPECT_THAT(answer.headers, HasSubstr("head=er;"));
  EXPECT_EQ(answer.trailers,
            "grpc-status=10;grpc-message=50%25 %E2%9C%93;grpc-status-details-bin=Ynl0ZXM;tail-bin=AAE;");
}

TEST_F(CallServerTest, WhatIsNoCallIsRefusedAsGrpcGoDoes) {
  Http2Peer peer(server_->port());
  const Http2Answer& type = peer.answer(peer.request("POST", "/t/Echo", {{"content-type", "application/json"}}));
  EXPECT_EQ(type.status, 415);
  EXPECT_THAT(type.headers,
              AllOf(HasSubstr("grpc-status=3;"), HasSubstr("invalid gRPC request content-type \"application/json\"")));
  EXPECT_EQ(peer.answer(peer.request("POST", "/t/Echo", {{"content-type", "application/grpcx"}})).status, 415);
  EXPECT_EQ(peer.answer(peer.request("POST", "/t/Echo")).status, 415);
  const Http2Answer& verb = peer.answer(peer.request("GET", "/t/Echo", head()));
  EXPECT_EQ(verb.status, 405);
  EXPECT_THAT(verb.headers, HasSubstr("grpc-status=13;"));
  const Http2Answer& path = call(peer, "/Echo", framed("x"));
  EXPECT_THAT(path.headers, AllOf(HasSubstr("grpc-status=12;"), HasSubstr("malformed method name: \"/Echo\"")));
  const Http2Answer& time = call(peer, "/t/Echo", framed("x"), {{"grpc-timeout", "soon"}});
  EXPECT_EQ(time.status, 400);
  EXPECT_THAT(time.headers, AllOf(HasSubstr("grpc-status=13;"), HasSubstr("malformed grpc-timeout")));
  const Http2Answer& packed = call(peer, "/t/Echo", framed("x"), {{"grpc-encoding", "snappy"}});
  EXPECT_THAT(packed.headers, AllOf(HasSubstr("grpc-status=12;"),
                                    HasSubstr("Decompressor is not installed for grpc-encoding \"snappy\"")));
  EXPECT_EQ(service_.begun, 0);
  for (const std::string type : {"application/grpc+proto", "application/grpc;x=y"}) {
    EXPECT_EQ(peer.answer(peer.request("POST", "/t/Echo", {{"content-type", type}}, framed("x"))).trailers,
              "grpc-status=0;");
  }
}

TEST_F(CallServerTest, BrokenMessagesEndTheirCallAlone) {
  Http2Peer peer(server_->port());
  EXPECT_THAT(call(peer, "/t/Echo", framed("x").substr(0, 3)).headers,
              HasSubstr("grpc-status=13;grpc-message=unexpected EOF"));
  EXPECT_THAT(call(peer, "/t/Echo", framed("xyz").substr(0, 7)).headers, HasSubstr("unexpected EOF"));
  EXPECT_THAT(call(peer, "/t/Echo", framed("x", 7)).headers, HasSubstr("unexpected payload format 7"));
  EXPECT_THAT(call(peer, "/t/Echo", framed("x", 1)).headers, HasSubstr("compressed flag set"));
  EXPECT_THAT(call(peer, "/t/Echo", framed("x", 1), {{"grpc-encoding", "gzip"}}).headers,
              HasSubstr("failed to decompress"));
  EXPECT_THAT(call(peer, "/t/Echo", framed(std::string(kLimit + 1, 'x'))).headers,
              HasSubstr("grpc-status=8;grpc-message=grpc: received message larger than max (4001 vs. 4000)"));
  // What came before a broken one has been answered.
  const Http2Answer& later = call(peer, "/t/Echo", framed("fine") + framed("x", 7));
  EXPECT_EQ(later.body, framed("fine"));
  EXPECT_THAT(later.trailers, HasSubstr("grpc-status=13;"));
  EXPECT_EQ(call(peer, "/t/Echo", framed("x")).trailers, "grpc-status=0;");
}

TEST_F(CallServerTest, AClientThatLeavesIsToldOfAndLogged) {
  Http2Peer peer(server_->port());
  const auto hangs = peer.begin("POST", "/t/Hang", head());
  peer.add(hangs, framed("x"));
  const auto reads = peer.begin("POST", "/t/Echo", head());
  EXPECT_TRUE(wait_for([&] { return service_.begun == 2; }));
  peer.reset(hangs);
  peer.reset(reads);
  EXPECT_TRUE(wait_for([&] { return service_.gone == 2; }));
  EXPECT_THAT(ended(), AllOf(HasSubstr("/t/Hang 1;"), HasSubstr("/t/Echo 1;")));
  peer.begin("POST", "/t/Hang", head());
  EXPECT_TRUE(wait_for([&] { return service_.begun == 3; }));
  peer.raw().close();
  EXPECT_TRUE(wait_for([&] { return service_.gone == 3; }));
}

TEST_F(CallServerTest, ADeadlineEndsTheCall) {
  Http2Peer peer(server_->port());
  const Http2Answer& answer = call(peer, "/t/Hang", framed("x"), {{"grpc-timeout", "100m"}});
  EXPECT_EQ(answer.headers, "content-type=application/grpc;grpc-status=4;grpc-message=context deadline exceeded;");
  EXPECT_EQ(service_.gone, 1);
  EXPECT_EQ(ended(), "/t/Hang 4;");
}

TEST_F(CallServerTest, AClientThatReadsNothingHoldsItsStreamBackAlone) {
  Http2Peer peer(server_->port(), {}, Http2Peer::Windows::kLeft);
  const auto floods = peer.begin("POST", "/t/Flood", head());
  EXPECT_TRUE(peer.until([&] { return peer.so_far(floods).body.size() >= 60'000; }));
  // The client's window is shut; a few messages wait, and no more are made.
  EXPECT_TRUE(peer.settle());
  EXPECT_LT(service_.written, 100);
  Http2Peer other(server_->port());
  EXPECT_EQ(call(other, "/t/Echo", framed("x")).trailers, "grpc-status=0;");
  peer.reset(floods);
  EXPECT_TRUE(wait_for([&] { return service_.gone == 1; }));
}

TEST_F(CallServerTest, AFloodOfCallsThatAreResetIsHeldUp) {
  Http2Peer peer(server_->port());
  std::string bytes;
  const std::string block = http2_block({{":method", "POST"},
                                         {":scheme", "http"},
                                         {":path", "/t/Hang"},
                                         {":authority", "a"},
                                         {"content-type", "application/grpc"}});
  for (std::uint32_t id = 1; id < 20'000; id += 2) {
    bytes += http2_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, id, block) +
             http2_frame(NGHTTP2_RST_STREAM, 0, id, std::string_view("\0\0\0\x08", 4));
  }
  peer.raw().send(bytes);
  EXPECT_TRUE(peer.end().has_value());
  EXPECT_TRUE(wait_for([&] { return service_.gone == service_.begun; }));
  EXPECT_LT(service_.begun, 3000);
  Http2Peer next(server_->port());
  EXPECT_EQ(call(next, "/t/Echo", framed("x")).trailers, "grpc-status=0;");
}

TEST_F(CallServerTest, MetadataHaveALimit) {
  Http2Peer peer(server_->port());
  EXPECT_EQ(call(peer, "/t/Echo", framed("x"), {{"big", std::string(60'000, 'x')}}).trailers, "grpc-status=0;");
  EXPECT_EQ(call(peer, "/t/Echo", framed("x"), {{"big", std::string(70'000, 'x')}}).status, 431);
  EXPECT_EQ(service_.begun, 1);
}

TEST_F(CallServerTest, ADrainLetsCallsFinish) {
  Http2Peer peer(server_->port());
  const auto id = peer.begin("POST", "/t/Echo", head());
  peer.add(id, framed("one"));
  EXPECT_TRUE(peer.until([&] { return peer.so_far(id).body == framed("one"); }));
  std::atomic<bool> done = false;
  server_->drain(std::chrono::seconds(20), [&](Drained how) {
    EXPECT_EQ(how, Drained::kFinished);
    done = true;
  });
  EXPECT_TRUE(peer.until([&] { return peer.goaway().has_value(); }));
  peer.add(id, framed("two"), {}, true);
  EXPECT_EQ(peer.answer(id).body, framed("one") + framed("two"));
  EXPECT_TRUE(wait_for([&] { return done.load(); }));
}

TEST_F(CallServerTest, ItsEndEndsCalls) {
  Http2Peer peer(server_->port());
  peer.begin("POST", "/t/Hang", head());
  EXPECT_TRUE(wait_for([&] { return service_.begun == 1; }));
  server_.reset();
  EXPECT_EQ(service_.gone, 1);
}

}  // namespace
}  // namespace tandem::net::grpc
