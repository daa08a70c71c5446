// HTTP/2 in cleartext as a well-behaved client sees it; http2_limits_test.cc has the others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <mutex>

#include "net/http_server.h"
#include "net/testing/handlers.h"
#include "net/testing/http2_peer.h"
#include "net/testing/raw_client.h"

namespace tandem::net {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

void describe(std::unique_ptr<Exchange> exchange) {
  const std::string text = description_of(*exchange);
  const std::array<Header, 3> headers{
      {{"Content-Type", "text/plain"}, {"X-Answer", " spaced "}, {"Connection", "keep-alive"}}};
  exchange->respond(200, headers, text);
}

TEST(Http2Server, AnswersRequestsOnOneConnection) {
  TestServer server(describe, http2());
  Http2Peer peer(server.port());
  const auto get = peer.request("GET", "/a?q=1", {{"x-one", "1"}, {"cookie", "a=b"}, {"cookie", "c=d"}});
  const auto post = peer.request("POST", "/b", {{"content-length", "5"}}, "hello");
  EXPECT_EQ(peer.answer(get).status, 200);
  EXPECT_EQ(peer.answer(get).body, "GET http test /a?q=1 x-one=1;cookie=a=b; c=d; ");
  EXPECT_THAT(peer.answer(get).headers, HasSubstr("content-type=text/plain;x-answer=spaced;date="));
  EXPECT_THAT(peer.answer(get).headers, HasSubstr("content-length=46;"));
  EXPECT_THAT(peer.answer(get).headers, Not(HasSubstr("connection")));
  EXPECT_EQ(peer.answer(post).body, "POST http test /b content-length=5; hello");
  EXPECT_EQ(server.server().connections(), 1u);
}

TEST(Http2Server, SpeaksHttp1AtTheSamePort) {
  TestServer server(describe, http2());
  RawClient client(server.port());
  client.send("PR");
  client.send("OPFIND / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(client.read_answer(), HasSubstr("PROPFIND http h / Host=h;"));
}

TEST(Http2Server, KnowsThePrefaceByteByByte) {
  TestServer server(describe, http2());
  RawClient client(server.port());
  for (const char byte : kHttp2Preface) client.send({&byte, 1});
  client.send(http2_frame(NGHTTP2_SETTINGS, 0, 0, ""));
  EXPECT_EQ(client.read_exactly(4), std::string_view("\0\0\x0c\x04", 4));  // the server's own settings
  RawClient other(server.port());
  other.send("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
  EXPECT_THAT(other.read_to_end(), StartsWith("HTTP/1.1 505"));
}

TEST(Http2Server, UpgradesARequestOfHttp1) {
  TestServer server(describe, http2());
  Http2Peer peer(server.port(),
                 Http2Peer::Upgrade{"POST /up HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nContent-Length: 4\r\n", "body"});
  EXPECT_THAT(peer.switched(), StartsWith("HTTP/1.1 101 "));
  EXPECT_EQ(peer.answer(1).body, "POST http h /up Host=h;X-A=1;Content-Length=4; body");
  EXPECT_EQ(peer.answer(peer.request("GET", "/next")).body, "GET http test /next  ");
}

TEST(Http2Server, AnswersARequestThatItCannotUpgrade) {
  TestServer server(describe, http2());
  for (const std::string settings : {"HTTP2-Settings: !\r\n", "HTTP2-Settings: AAMA\r\n", ""}) {
    RawClient client(server.port());
    client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" + settings +
                "\r\n");
    EXPECT_THAT(client.read_answer(), StartsWith("HTTP/1.1 200 ")) << settings;
  }
  TestServer off(describe);
  RawClient client(off.port());
  client.send(
      "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: "
      "AAMAAABk\r\n\r\n");
  EXPECT_THAT(client.read_answer(), StartsWith("HTTP/1.1 200 "));
}

TEST(Http2Server, StreamsBothWaysWithTrailers) {
  TestServer server(echo, http2());
  Http2Peer peer(server.port());
  const auto id = peer.begin("POST", "/");
  EXPECT_TRUE(peer.until([&] { return peer.so_far(id).status == 200; }));
  peer.add(id, "one");
  EXPECT_TRUE(peer.until([&] { return peer.so_far(id).body == "one"; }));
  const std::string large(3 << 20, 'x');
  peer.add(id, large);
  peer.finish(id, {{"x-sum", "42"}});
  const Http2Answer& answer = peer.answer(id);
  EXPECT_EQ(answer.body.size(), large.size() + 3);
  EXPECT_EQ(answer.trailers, "x-sum=42;");
  EXPECT_EQ(answer.error, static_cast<std::uint32_t>(NGHTTP2_NO_ERROR));
}

TEST(Http2Server, SendsALargeAnswerWhole) {
  const std::string large(20 << 20, 'y');
  TestServer server([&](std::unique_ptr<Exchange> exchange) { exchange->respond(200, {}, large); }, http2());
  Http2Peer peer(server.port());
  const auto one = peer.request("GET", "/");
  const auto two = peer.request("GET", "/");
  EXPECT_TRUE(peer.answer(one).body == large);
  EXPECT_TRUE(peer.answer(two).body == large);
}

TEST(Http2Server, LeavesOutBodiesWhereThereAreNone) {
  TestServer server(
      [](std::unique_ptr<Exchange> exchange) {
        const RequestHead& head = exchange->head();
        if (head.target == "/204") return exchange->respond(204, {}, "never");
        if (head.target == "/304") return exchange->respond(304, {}, "never");
        if (head.target == "/start") {
          const Header length{"content-length", "7"};
          exchange->start(200, {&length, 1});
          exchange->write("never", [](Status) {});
          return exchange->finish();
        }
        exchange->respond(200, {}, "counted");
      },
      http2());
  Http2Peer peer(server.port());
  for (const std::string target : {"/204", "/304"}) {
    const auto id = peer.request("GET", target);
    EXPECT_EQ(std::to_string(peer.answer(id).status), target.substr(1));
    EXPECT_EQ(peer.answer(id).body, "");
    EXPECT_THAT(peer.answer(id).headers, Not(HasSubstr("content-length")));
  }
  for (const std::string target : {"/", "/start"}) {
    const auto id = peer.request("HEAD", target);
    EXPECT_EQ(peer.answer(id).body, "");
    EXPECT_EQ(peer.answer(id).error, 0u);
    EXPECT_THAT(peer.answer(id).headers, HasSubstr("content-length=7;"));
  }
}

TEST(Http2Server, SaysContinueWhenTheBodyIsWanted) {
  TestServer server(
      [](std::unique_ptr<Exchange> exchange) {
        if (exchange->head().target == "/no") return exchange->respond(403, {}, "no");
        echo(std::move(exchange));
      },
      http2());
  Http2Peer peer(server.port());
  const auto wanted = peer.begin("POST", "/", {{"expect", "100-continue"}});
  EXPECT_TRUE(peer.until([&] { return !peer.so_far(wanted).interim.empty(); }));
  peer.add(wanted, "body", {}, true);
  EXPECT_EQ(peer.answer(wanted).body, "body");
  EXPECT_THAT(peer.answer(wanted).interim, ElementsAre(100));
  const auto unwanted = peer.begin("POST", "/no", {{"expect", "100-continue"}});
  EXPECT_EQ(peer.answer(unwanted).status, 403);
  EXPECT_TRUE(peer.answer(unwanted).interim.empty());
  EXPECT_EQ(peer.answer(peer.begin("POST", "/", {{"expect", "tea"}})).status, 417);
}

// The answer is complete; what is left of the request is not waited for.
TEST(Http2Server, EndsARequestWhoseBodyNobodyReads) {
  TestServer server([](std::unique_ptr<Exchange> exchange) { exchange->respond(200, {}, "enough"); }, http2());
  Http2Peer peer(server.port());
  const auto id = peer.begin("POST", "/");
  peer.add(id, std::string(200'000, 'x'));
  EXPECT_EQ(peer.answer(id).body, "enough");
  EXPECT_EQ(peer.answer(id).error, static_cast<std::uint32_t>(NGHTTP2_NO_ERROR));
  EXPECT_EQ(peer.answer(peer.request("GET", "/")).body, "enough");
}

TEST(Http2Server, HoldsBackABodyThatIsNotRead) {
  std::unique_ptr<Exchange> held;
  std::atomic<bool> arrived = false;
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        if (exchange->head().target == "/") return exchange->respond(200, {}, "ok");
        held = std::move(exchange);
        arrived = true;
      },
      http2());
  Http2Peer peer(server.port());
  const auto id = peer.begin("POST", "/held");
  peer.add(id, std::string(300'000, 'x'), {}, true);
  EXPECT_TRUE(peer.settle());
  EXPECT_EQ(peer.unsent(id), 300'000u - 65'535u);
  EXPECT_EQ(peer.answer(peer.request("POST", "/", {}, std::string(65'000, 'y'))).body, "ok");
  ASSERT_TRUE(arrived);
  server.workers()[0].post([&] { echo(std::move(held)); });
  EXPECT_EQ(peer.answer(id).body.size(), 300'000u);
}

TEST(Http2Server, HoldsBackAHandlerWhoseClientTakesNothing) {
  std::atomic<std::size_t> written = 0;
  std::unique_ptr<Exchange> held;
  std::function<void(Status)> more;
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        if (exchange->head().target == "/other") return exchange->respond(200, {}, "other");
        held = std::move(exchange);
        held->start(200, {});
        more = [&](Status status) {
          if (!status) return;
          if (written == 200'000) {
            held->finish({});
            return held.reset();
          }
          written += 1000;
          held->write(std::string(1000, 'x'), [&](Status next) { more(std::move(next)); });
        };
        more({});
      },
      http2());
  Http2Peer peer(server.port(), {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 5000}}, Http2Peer::Windows::kLeft);
  const auto id = peer.request("GET", "/");
  EXPECT_TRUE(peer.until([&] { return peer.so_far(id).body.size() == 5000; }));
  EXPECT_TRUE(peer.settle());
  EXPECT_LT(written, 30'000u);
  EXPECT_EQ(peer.answer(peer.request("GET", "/other")).body, "other");
  peer.open_window(id, 1'000'000);
  peer.open_window(0, 1'000'000);
  EXPECT_EQ(peer.answer(id).body.size(), 200'000u);
}

TEST(Http2Server, TellsAHandlerThatItsClientHasGone) {
  std::unique_ptr<Exchange> held;
  std::atomic<int> state = 0;
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        held = std::move(exchange);
        held->body().read([&](Result<std::string_view> piece) {
          state = !piece && piece.error().code == Code::kCancelled && held->gone() ? 2 : 3;
          held.reset();
        });
        state = 1;
      },
      http2());
  Http2Peer peer(server.port());
  const auto reset = peer.begin("POST", "/");
  ASSERT_TRUE(wait_for([&] { return state == 1; }));
  peer.reset(reset);
  EXPECT_TRUE(wait_for([&] { return state == 2; })) << state;
  peer.begin("POST", "/");
  ASSERT_TRUE(wait_for([&] { return state == 1; }));
  peer.raw().close();
  EXPECT_TRUE(wait_for([&] { return state == 2; })) << state;
  EXPECT_TRUE(wait_for([&] { return server.server().connections() == 0; }));
}

TEST(Http2Server, NeverLetsACutAnswerLookComplete) {
  TestServer server(
      [](std::unique_ptr<Exchange> exchange) {
        const std::string target(exchange->head().target);
        if (target == "/none") return;
        if (target == "/short") {
          const Header length{"content-length", "7"};
          exchange->start(200, {&length, 1});
          exchange->write("abc", [](Status) {});
          return exchange->finish();
        }
        exchange->start(200, {});
        exchange->write("part", [](Status) {});
        if (target == "/abort") exchange->abort();
      },
      http2());
  Http2Peer peer(server.port());
  EXPECT_EQ(peer.answer(peer.request("GET", "/none")).status, 500);
  for (const std::string target : {"/short", "/abort", "/dropped"}) {
    EXPECT_EQ(peer.answer(peer.request("GET", target)).error, static_cast<std::uint32_t>(NGHTTP2_INTERNAL_ERROR))
        << target;
  }
}

TEST(Http2Server, AnAnswerThatIsNotValidIsA500) {
  TestServer server(
      [](std::unique_ptr<Exchange> exchange) {
        const Header bad{"x", "a\r\nb"};
        exchange->respond(200, {&bad, 1}, "never");
      },
      http2());
  Http2Peer peer(server.port());
  const auto id = peer.request("GET", "/");
  EXPECT_EQ(peer.answer(id).status, 500);
  EXPECT_THAT(peer.answer(id).body, HasSubstr("not valid"));
}

class Records final : public ServerObserver {
 public:
  void request_finished(const RequestRecord& record) noexcept override {
    const std::scoped_lock lock(mutex_);
    lines_ += std::string(record.method) + " " + std::string(record.target) + " " + std::to_string(record.status) +
              " in " + std::to_string(record.bytes_in) + " out " + std::to_string(record.bytes_out) + "\n";
  }
  void connection_opened() noexcept override { ++open; }
  void connection_closed() noexcept override { --open; }
  std::string lines() {
    const std::scoped_lock lock(mutex_);
    return lines_;
  }
  std::atomic<int> open = 0;

 private:
  std::mutex mutex_;
  std::string lines_;
};

TEST(Http2Server, ItsObserverHearsOfEveryRequest) {
  Records records;
  ServerOptions options;
  options.observer = &records;
  options.max_body_bytes = 10;
  TestServer server(
      [](std::unique_ptr<Exchange> exchange) {
        if (exchange->head().target == "/abort") return exchange->abort();
        exchange->respond(200, {}, "abc");
      },
      http2(options));
  {
    Http2Peer peer(server.port());
    peer.answer(peer.request("POST", "/a", {}, "hello"));
    peer.answer(peer.request("GET", "/abort"));
    EXPECT_EQ(peer.answer(peer.begin("POST", "/large", {{"content-length", "11"}})).status, 413);
    EXPECT_EQ(records.open, 1);
  }
  EXPECT_TRUE(wait_for([&] { return records.open == 0; }));
  EXPECT_EQ(records.lines(), "POST /a 200 in 5 out 3\nGET /abort 0 in 0 out 0\nPOST /large 413 in 0 out 41\n");
}

TEST(Http2Drain, FinishesStreamsAndSaysGoaway) {
  std::unique_ptr<Exchange> held;
  std::atomic<bool> arrived = false;
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        if (exchange->head().target != "/held") return exchange->respond(200, {}, "ok");
        held = std::move(exchange);
        arrived = true;
      },
      http2());
  Http2Peer idle(server.port());
  EXPECT_EQ(idle.answer(idle.request("GET", "/")).body, "ok");
  Http2Peer busy(server.port());
  const auto id = busy.request("GET", "/held");
  ASSERT_TRUE(wait_for([&] { return arrived.load(); }));
  std::atomic<bool> drained = false;
  server.server().drain(std::chrono::seconds(10), [&](Drained how) {
    EXPECT_EQ(how, Drained::kFinished);
    drained = true;
  });
  EXPECT_EQ(idle.end(), static_cast<std::uint32_t>(NGHTTP2_NO_ERROR));
  EXPECT_TRUE(busy.until([&] { return busy.goaway().has_value(); }));
  EXPECT_FALSE(drained);
  server.workers()[0].post([&] {
    held->respond(200, {}, "done");
    held.reset();
  });
  EXPECT_EQ(busy.answer(id).body, "done");
  EXPECT_EQ(busy.end(), static_cast<std::uint32_t>(NGHTTP2_NO_ERROR));
  EXPECT_TRUE(wait_for([&] { return drained.load(); }));
}

TEST(Http2Drain, CutsWhatIsLeftAtTheDeadline) {
  std::unique_ptr<Exchange> held;
  std::atomic<bool> arrived = false;
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        held = std::move(exchange);
        arrived = true;
      },
      http2());
  Http2Peer peer(server.port());
  peer.request("GET", "/kept");
  ASSERT_TRUE(wait_for([&] { return arrived.load(); }));
  std::atomic<bool> cut = false;
  server.server().drain(milliseconds(50), [&](Drained how) { cut = how == Drained::kCut; });
  EXPECT_TRUE(wait_for([&] { return cut.load(); }));
  std::atomic<bool> released = false;
  server.workers()[0].post([&] {
    EXPECT_TRUE(held->gone());
    EXPECT_EQ(held->head().target, "/kept");
    held->respond(200, {}, "too late");
    held.reset();
    released = true;
  });
  EXPECT_TRUE(wait_for([&] { return released.load(); }));
}

// The server goes first; what handlers still hold stays valid.
TEST(Http2Drain, ExchangesOutliveTheServer) {
  std::unique_ptr<Exchange> held;
  std::atomic<bool> arrived = false;
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        held = std::move(exchange);
        held->start(200, {});
        arrived = true;
      },
      http2());
  Http2Peer peer(server.port());
  peer.request("GET", "/");
  ASSERT_TRUE(wait_for([&] { return arrived.load(); }));
  server.stop_server();
  std::atomic<bool> released = false;
  server.workers()[0].post([&] {
    held->write("x", [](Status status) { EXPECT_EQ(status.error().code, Code::kCancelled); });
    held->finish({});
    held.reset();
    released = true;
  });
  EXPECT_TRUE(wait_for([&] { return released.load(); }));
}

}  // namespace
}  // namespace tandem::net
