// HTTP/2 under clients that are broken, slow or hostile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>

#include "net/http_server.h"
#include "net/testing/handlers.h"
#include "net/testing/http2_peer.h"
#include "net/testing/raw_client.h"

namespace tandem::net {
namespace {

using std::chrono::milliseconds;

constexpr auto kCalm = static_cast<std::uint32_t>(NGHTTP2_ENHANCE_YOUR_CALM);
constexpr auto kProtocol = static_cast<std::uint32_t>(NGHTTP2_PROTOCOL_ERROR);
constexpr std::uint8_t kEndBoth = NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS;

std::string request_block(const std::vector<std::pair<std::string, std::string>>& more = {}) {
  std::vector<std::pair<std::string, std::string>> fields{
      {":method", "GET"}, {":scheme", "http"}, {":authority", "h"}, {":path", "/"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return http2_block(fields);
}

std::string request_frame(std::uint32_t id, const std::string& block) {
  return http2_frame(NGHTTP2_HEADERS, kEndBoth, id, block);
}

TEST(Http2Limits, TheHeadIsLimited) {
  ServerOptions options;
  options.max_head_bytes = 2000;
  options.max_headers = 10;
  TestServer server(ok, http2(options));
  Http2Peer peer(server.port());
  EXPECT_EQ(peer.answer(peer.request("GET", "/", {{"x", std::string(1700, 'x')}})).status, 200);
  EXPECT_EQ(peer.answer(peer.request("GET", "/", {{"x", std::string(2000, 'x')}})).status, 431);
  Http2Peer::Fields many;
  for (int i = 0; i < 11; ++i) many.emplace_back("x", "y");
  EXPECT_EQ(peer.answer(peer.request("GET", "/", many)).status, 431);
  many.pop_back();
  EXPECT_EQ(peer.answer(peer.request("GET", "/", many)).status, 200);
}

TEST(Http2Limits, TheBodyIsLimited) {
  ServerOptions options;
  options.max_body_bytes = 1000;
  TestServer server(report_read, http2(options));
  Http2Peer peer(server.port());
  EXPECT_EQ(peer.answer(peer.request("POST", "/", {}, std::string(1000, 'x'))).body, "complete");
  EXPECT_EQ(peer.answer(peer.request("POST", "/", {}, std::string(1001, 'x'))).body, "RESOURCE_EXHAUSTED");
  EXPECT_EQ(peer.answer(peer.request("POST", "/", {{"content-length", "1001"}}, std::string(1001, 'x'))).status, 413);
}

TEST(Http2Limits, AStalledBodyFailsTheRead) {
  ServerOptions options;
  options.body_stall_timeout = milliseconds(150);
  TestServer server(report_read, http2(options));
  Http2Peer peer(server.port());
  const auto id = peer.begin("POST", "/");
  peer.add(id, "abc");
  EXPECT_EQ(peer.answer(id).body, "DEADLINE_EXCEEDED");
}

TEST(Http2Limits, ABodyHasATimeForAllOfIt) {
  ServerOptions options;
  options.body_timeout = milliseconds(300);
  TestServer server(report_read, http2(options));
  Http2Peer peer(server.port());
  const auto id = peer.begin("POST", "/");
  // Each byte comes in time, all of them do not.
  EXPECT_TRUE(peer.until([&] {
    peer.add(id, "x");
    peer.settle();
    return peer.so_far(id).status != 0;
  }));
  EXPECT_EQ(peer.answer(id).body, "DEADLINE_EXCEEDED");
}

TEST(Http2Limits, ASlowHeadEndsTheConnection) {
  ServerOptions options;
  options.head_timeout = milliseconds(150);
  TestServer server(ok, http2(options));
  RawClient silent(server.port());
  silent.send(kHttp2Preface);
  Http2Peer slow(server.port());
  EXPECT_TRUE(slow.settle());
  slow.raw().send(http2_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, request_block()));
  EXPECT_TRUE(slow.end().has_value());
  EXPECT_NE(silent.read_to_end(), "");
  EXPECT_TRUE(wait_for([&] { return server.server().connections() == 0; }));
}

TEST(Http2Limits, AnIdleConnectionIsClosed) {
  ServerOptions options;
  options.idle_timeout = milliseconds(150);
  TestServer server(ok, http2(options));
  Http2Peer peer(server.port());
  EXPECT_EQ(peer.answer(peer.request("GET", "/")).body, "ok");
  EXPECT_EQ(peer.end(), static_cast<std::uint32_t>(NGHTTP2_NO_ERROR));
}

TEST(Http2Limits, AnAnswerThatIsNotTakenIsCut) {
  ServerOptions options;
  options.write_stall_timeout = milliseconds(150);
  TestServer server([](std::unique_ptr<Exchange> exchange) { exchange->respond(200, {}, std::string(200'000, 'x')); },
                    http2(options));
  Http2Peer peer(server.port(), {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1000}}, Http2Peer::Windows::kLeft);
  const auto id = peer.request("GET", "/");
  EXPECT_EQ(peer.answer(id).error, static_cast<std::uint32_t>(NGHTTP2_INTERNAL_ERROR));
  EXPECT_EQ(peer.so_far(id).body.size(), 1000u);
  EXPECT_TRUE(peer.settle());  // the connection goes on
}

TEST(Http2Limits, ARefusalWithoutAWindowHasADeadlineToo) {
  ServerOptions options;
  options.write_stall_timeout = milliseconds(150);
  options.max_body_bytes = 10;
  TestServer server([](std::unique_ptr<Exchange> exchange) { exchange->respond(200, {}, ""); }, http2(options));
  Http2Peer peer(server.port(), {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}}, Http2Peer::Windows::kLeft);
  const auto id = peer.request("POST", "/", {{"content-length", "11"}}, std::string(11, 'x'));
  EXPECT_EQ(peer.answer(id).error, static_cast<std::uint32_t>(NGHTTP2_INTERNAL_ERROR));
  EXPECT_EQ(peer.so_far(id).body, "");
}

TEST(Http2Limits, AClientThatReadsNothingIsCut) {
  ServerOptions options;
  options.write_stall_timeout = milliseconds(150);
  TestServer server([](std::unique_ptr<Exchange> exchange) { exchange->respond(200, {}, std::string(32 << 20, 'x')); },
                    http2(options));
  Http2Peer peer(server.port(), {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1u << 30}}, Http2Peer::Windows::kLeft, 4096);
  peer.open_window(0, 1 << 30);
  peer.request("GET", "/");
  EXPECT_TRUE(wait_for([&] { return server.server().connections() == 1; }));
  EXPECT_TRUE(wait_for([&] { return server.server().connections() == 0; }));
}

TEST(Http2Limits, StreamsAreLimited) {
  std::vector<std::unique_ptr<Exchange>> held;
  std::atomic<int> handled = 0;
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        held.push_back(std::move(exchange));
        ++handled;
      },
      http2());
  Http2Peer peer(server.port());
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 251; ++i) ids.push_back(peer.request("GET", "/"));
  EXPECT_EQ(peer.answer(ids.back()).error, static_cast<std::uint32_t>(NGHTTP2_REFUSED_STREAM));
  EXPECT_EQ(handled, 250);
  // A reset makes no room: the handlers still have them.
  for (int i = 0; i < 10; ++i) peer.reset(ids[static_cast<std::size_t>(i)]);
  EXPECT_EQ(peer.answer(peer.request("GET", "/")).error, static_cast<std::uint32_t>(NGHTTP2_REFUSED_STREAM));
  EXPECT_EQ(handled, 250);
  std::atomic<bool> released = false;
  server.workers()[0].post([&] {
    held.clear();
    released = true;
  });
  EXPECT_TRUE(wait_for([&] { return released.load(); }));
  peer.request("GET", "/");
  EXPECT_TRUE(wait_for([&] { return handled == 251; }));
  released = false;
  server.workers()[0].post([&] {
    held.clear();
    released = true;
  });
  EXPECT_TRUE(wait_for([&] { return released.load(); }));
}

struct Refused {
  std::string name;
  std::vector<std::pair<std::string, std::string>> fields;
};

// What is malformed as a message ends its stream, and no handler sees it.
TEST(Http2Limits, MalformedRequestsAreRefused) {
  std::atomic<int> handled = 0;
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        ++handled;
        exchange->respond(200, {}, "ok");
      },
      http2());
  const std::pair<std::string, std::string> method{":method", "GET"};
  const std::pair<std::string, std::string> scheme{":scheme", "http"};
  const std::pair<std::string, std::string> authority{":authority", "h"};
  const std::pair<std::string, std::string> path{":path", "/"};
  const std::vector<Refused> all{
      {"no method", {scheme, authority, path}},
      {"no path", {method, scheme, authority}},
      {"no scheme", {method, authority, path}},
      {"two paths", {method, scheme, authority, path, path}},
      {"empty path", {method, scheme, authority, {":path", ""}}},
      {"no path at all", {method, scheme, authority, {":path", "x"}}},
      {"unknown pseudo header", {method, scheme, authority, path, {":status", "200"}}},
      {"pseudo header after others", {method, scheme, authority, {"x", "y"}, path}},
      {"connection", {method, scheme, authority, path, {"connection", "close"}}},
      {"transfer-encoding", {method, scheme, authority, path, {"transfer-encoding", "chunked"}}},
      {"upgrade", {method, scheme, authority, path, {"upgrade", "h2c"}}},
      {"te", {method, scheme, authority, path, {"te", "gzip"}}},
      {"upper case", {method, scheme, authority, path, {"X-Upper", "y"}}},
      {"line feed", {method, scheme, authority, path, {"x", "a\nb"}}},
      {"null", {method, scheme, authority, path, {"x", std::string("a\0b", 3)}}},
      {"space in the name", {method, scheme, authority, path, {"a b", "y"}}},
      {"two lengths", {method, scheme, authority, path, {"content-length", "1"}, {"content-length", "2"}}},
      {"no number", {method, scheme, authority, path, {"content-length", "x"}}},
      {"body that is missing", {method, scheme, authority, path, {"content-length", "5"}}},
  };
  for (const Refused& refused : all) {
    Http2Peer peer(server.port());
    EXPECT_EQ(peer.answer(peer.request_of(refused.fields)).error, kProtocol) << refused.name;
    EXPECT_EQ(handled, 0) << refused.name;
  }
  Http2Peer peer(server.port());
  EXPECT_EQ(peer.answer(peer.request("CONNECT", "/")).status, 0);
  EXPECT_EQ(peer.answer(peer.request("GET", "*")).status, 0);
  EXPECT_EQ(handled, 0);
  Http2Peer fine(server.port());
  EXPECT_EQ(fine.answer(fine.request("OPTIONS", "*")).status, 200);
}

TEST(Http2Limits, ABodyThatIsNotAsLongAsItSaysIsRefused) {
  TestServer server(report_read, http2());
  Http2Peer peer(server.port());
  EXPECT_EQ(peer.answer(peer.request("POST", "/", {{"content-length", "5"}}, "abc")).error, kProtocol);
  EXPECT_EQ(peer.answer(peer.request("POST", "/", {{"content-length", "2"}}, "abc")).error, kProtocol);
}

TEST(Http2Limits, BrokenFramesEndTheConnection) {
  TestServer server(ok, http2());
  using namespace std::string_literals;
  const std::vector<std::string> all{
      http2_frame(NGHTTP2_DATA, 0, 0, "x"),                            // without a stream
      http2_frame(NGHTTP2_DATA, 0, 1, "x"),                            // of a stream that is idle
      http2_frame(NGHTTP2_HEADERS, kEndBoth, 2, request_block()),      // of the server's numbers
      http2_frame(NGHTTP2_HEADERS, kEndBoth, 1, "\xff\xff\xff\xff"s),  // no header block
      http2_frame(NGHTTP2_SETTINGS, 0, 0, "12345"),                    // no settings
      http2_frame(NGHTTP2_SETTINGS, 0, 1, ""),                         // of a stream
      http2_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\0"s),           // by nothing
      http2_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, "\x7f\xff\xff\xff"s),   // beyond the largest
      http2_frame(NGHTTP2_CONTINUATION, 0, 1, ""),                     // of nothing
      http2_frame(NGHTTP2_PUSH_PROMISE, 4, 1, "\0\0\0\2"s),            // by a client
      http2_frame(NGHTTP2_PING, 0, 0, "1234567"),                      // too short
      std::string("\xff\xff\xff\0\0\0\0\0\1", 9),                      // larger than allowed
  };
  for (std::size_t i = 0; i < all.size(); ++i) {
    Http2Peer peer(server.port());
    ASSERT_TRUE(peer.settle());
    peer.raw().send(all[i]);
    const auto error = peer.end();
    EXPECT_TRUE(error && *error != 0) << i;
  }
  EXPECT_TRUE(wait_for([&] { return server.server().connections() == 0; }));
  RawClient wrong(server.port());
  wrong.send(std::string(kHttp2Preface) + "GET / HTTP/1.1\r\n\r\n");
  wrong.read_to_end();
  EXPECT_TRUE(wait_for([&] { return server.server().connections() == 0; }));
}

TEST(Http2Attacks, RapidResetEndsTheConnection) {
  std::atomic<int> handled = 0;
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        ++handled;
        exchange->respond(200, {}, "ok");
      },
      http2());
  Http2Peer peer(server.port());
  ASSERT_TRUE(peer.settle());
  const std::string block = request_block();
  std::string flood;
  for (std::uint32_t id = 1; id < 20'000; id += 2) {
    flood += request_frame(id, block) + http2_frame(NGHTTP2_RST_STREAM, 0, id, std::string_view("\0\0\0\x08", 4));
  }
  peer.raw().send(flood);
  EXPECT_TRUE(wait_for([&] { return server.server().connections() == 0; }));
  EXPECT_LT(handled, 3000);
}

TEST(Http2Attacks, ContinuationFloodEndsTheConnection) {
  TestServer server(ok, http2());
  Http2Peer peer(server.port());
  ASSERT_TRUE(peer.settle());
  std::string flood = http2_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, request_block());
  for (int i = 0; i < 10'000; ++i) flood += http2_frame(NGHTTP2_CONTINUATION, 0, 1, http2_block({{"x", "y"}}));
  peer.raw().send(flood);
  EXPECT_TRUE(wait_for([&] { return server.server().connections() == 0; }));
}

TEST(Http2Attacks, FloodsOfFramesThatDoNothingEndTheConnection) {
  TestServer server(ok, http2());
  for (const std::string& frame : {http2_frame(NGHTTP2_PING, 0, 0, "12345678"), http2_frame(NGHTTP2_SETTINGS, 0, 0, ""),
                                   http2_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, std::string_view("\0\0\0\1", 4)),
                                   http2_frame(NGHTTP2_PRIORITY, 0, 1, std::string_view("\0\0\0\0\1", 5))}) {
    RawClient client(server.port());
    std::string flood = std::string(kHttp2Preface) + http2_frame(NGHTTP2_SETTINGS, 0, 0, "");
    for (int i = 0; i < 10'001; ++i) flood += frame;
    client.send(flood);
    EXPECT_EQ(http2_goaway(client.read_to_end()), kCalm) << int{frame[3]};
  }
  EXPECT_TRUE(wait_for([&] { return server.server().connections() == 0; }));
}

TEST(Http2Attacks, EmptyPiecesOfABodyAreCounted) {
  TestServer server(report_read, http2());
  Http2Peer peer(server.port());
  const auto id = peer.begin("POST", "/");
  ASSERT_TRUE(peer.settle());
  std::string flood;
  for (int i = 0; i < 11'000; ++i) flood += http2_frame(NGHTTP2_DATA, 0, static_cast<std::uint32_t>(id), "");
  peer.raw().send(flood);
  EXPECT_EQ(peer.end(), kCalm);
}

// A short block that stands for many long fields: all but the first are one byte each.
TEST(Http2Attacks, AHeaderBombIsRefused) {
  std::atomic<int> handled = 0;
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        ++handled;
        exchange->respond(200, {}, "ok");
      },
      http2());
  Http2Peer peer(server.port());
  const Http2Peer::Fields bomb(5000, {"x", std::string(3000, 'y')});
  EXPECT_EQ(peer.answer(peer.request("GET", "/", bomb)).status, 431);
  EXPECT_EQ(handled, 0);
}

}  // namespace
}  // namespace tandem::net
