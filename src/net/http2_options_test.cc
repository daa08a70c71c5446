// What a server of HTTP/2 does only when its options say so: the ways of a port for gRPC.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "net/http_server.h"
#include "net/testing/handlers.h"
#include "net/testing/http2_peer.h"
#include "net/testing/raw_client.h"

namespace tandem::net {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

TEST(Http2Options, APortMaySpeakHttp2Alone) {
  ServerOptions options;
  options.http2 = Http2::kOnly;
  TestServer server(ok, options);
  Http2Peer peer(server.port());
  EXPECT_EQ(peer.answer(peer.request("GET", "/")).body, "ok");
  RawClient old(server.port());
  old.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(old.read_to_end(), HasSubstr("505 HTTP Version Not Supported"));
  RawClient upgrading(server.port());
  upgrading.send(
      "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
      "HTTP2-Settings: AAMAAABk\r\n\r\n");
  EXPECT_THAT(upgrading.read_to_end(), HasSubstr("505 HTTP Version Not Supported"));
}

TEST(Http2Options, AnswersMayHaveNothingButWhatIsSaid) {
  ServerOptions options = http2();
  options.own_headers = OwnHeaders::kNone;
  TestServer server([](std::unique_ptr<Exchange> exchange) { exchange->respond(200, {{{"a", "b"}}}, ""); }, options);
  Http2Peer peer(server.port());
  EXPECT_EQ(peer.answer(peer.request("GET", "/")).headers, "a=b;");
}

TEST(Http2Options, StreamsAreCounted) {
  ServerOptions options = http2();
  options.max_streams = 2;
  std::atomic<int> held = 0;
  std::vector<std::unique_ptr<Exchange>> kept;
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        kept.push_back(std::move(exchange));
        ++held;
      },
      options);
  Http2Peer peer(server.port());
  ASSERT_TRUE(peer.settle());  // it knows the server's settings
  const auto first = peer.request("GET", "/");
  const auto second = peer.request("GET", "/");
  peer.request("GET", "/");
  EXPECT_TRUE(wait_for([&] { return held == 2; }));
  EXPECT_TRUE(peer.settle());
  EXPECT_EQ(held, 2);
  server.workers()[0].post([&] { kept.clear(); });
  EXPECT_EQ(peer.answer(first).status, 500);
  EXPECT_EQ(peer.answer(second).status, 500);
  EXPECT_TRUE(wait_for([&] { return held == 3; }));
  peer.raw().close();
  EXPECT_TRUE(wait_for([&] { return server.server().connections() == 0; }));
  server.workers()[0].post([&] { kept.clear(); });
}

TEST(Http2Options, AHandlerHearsThatItsClientHasGone) {
  std::atomic<int> left = 0;
  std::atomic<int> held = 0;
  std::unique_ptr<Exchange> kept;
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        kept = std::move(exchange);
        kept->when_gone([&] {
          kept.reset();
          ++left;
        });
        ++held;
      },
      http2());
  Http2Peer peer(server.port());
  const auto id = peer.request("GET", "/");
  EXPECT_TRUE(wait_for([&] { return held == 1; }));
  peer.reset(id);
  EXPECT_TRUE(wait_for([&] { return left == 1; }));
  peer.request("GET", "/");
  EXPECT_TRUE(wait_for([&] { return held == 2; }));
  peer.raw().close();
  EXPECT_TRUE(wait_for([&] { return left == 2; }));
}

TEST(Http2Options, ASilentClientIsPingedAndThenCutOff) {
  ServerOptions options = http2();
  options.ping_after = milliseconds(50);
  options.ping_timeout = milliseconds(50);
  std::atomic<bool> held = false;
  std::unique_ptr<Exchange> kept;
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        kept = std::move(exchange);
        held = true;
      },
      options);
  // It answers pings as long as it reads: through several of them.
  Http2Peer alive(server.port());
  alive.request("GET", "/");
  const auto end = std::chrono::steady_clock::now() + milliseconds(500);
  RawClient silent(server.port());
  silent.send(std::string(kHttp2Preface) + http2_frame(NGHTTP2_SETTINGS, 0, 0, ""));
  EXPECT_TRUE(alive.until([&] { return held && std::chrono::steady_clock::now() > end; }));
  EXPECT_NE(silent.read_to_end(), "");
  EXPECT_TRUE(silent.at_end());
  EXPECT_EQ(server.server().connections(), 1U);
  server.workers()[0].post([&] { kept.reset(); });
  EXPECT_EQ(alive.answer(1).status, 500);
}

TEST(Http2Options, WhoPingsTooOftenIsToldToGo) {
  ServerOptions options = http2();
  options.min_ping_interval = std::chrono::hours(1);
  TestServer server(ok, options);
  Http2Peer patient(server.port());
  // What is sent in between makes pings free.
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(patient.answer(patient.request("GET", "/")).status, 200);
    EXPECT_TRUE(patient.settle());
  }
  RawClient client(server.port());
  std::string pings = std::string(kHttp2Preface) + http2_frame(NGHTTP2_SETTINGS, 0, 0, "");
  for (int i = 0; i < 5; ++i) pings += http2_frame(NGHTTP2_PING, 0, 0, "12345678");
  client.send(pings);
  const std::string answer = client.read_to_end();
  EXPECT_EQ(http2_goaway(answer), static_cast<std::uint32_t>(NGHTTP2_ENHANCE_YOUR_CALM));
  EXPECT_THAT(answer, HasSubstr("too_many_pings"));
}

}  // namespace
}  // namespace tandem::net
