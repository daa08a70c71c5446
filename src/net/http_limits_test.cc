// The server under clients that are broken, slow or hostile, and while it drains.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <optional>

#include "net/http_server.h"
#include "net/testing/handlers.h"
#include "net/testing/raw_client.h"

namespace tandem::net {
namespace {

using std::chrono::milliseconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// A byte every ten milliseconds.
class Trickle final {
 public:
  explicit Trickle(RawClient& client) : client_(client) {}
  void turn() {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return;
    next_ = now + milliseconds(10);
    client_.send("x");
  }

 private:
  RawClient& client_;
  std::chrono::steady_clock::time_point next_;
};

class Malformed : public testing::TestWithParam<std::string> {};

TEST_P(Malformed, IsRefusedAndTheConnectionEnds) {
  std::atomic<int> handled = 0;
  TestServer server([&](std::unique_ptr<Exchange> exchange) {
    ++handled;
    exchange->respond(200, {}, "ok");
  });
  RawClient client(server.port());
  client.send(GetParam() + "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string answer = client.read_to_end();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 400"));
  EXPECT_EQ(handled, 0);
}

std::vector<std::string> malformed() {
  using namespace std::string_literals;
  const std::string post = "POST / HTTP/1.1\r\nHost: h\r\n";
  return {
      "\x16\x03\x01\x02 TLS hello\r\n\r\n",
      "GET / HTTP/1.1\nHost: h\n\n",
      "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
      "GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n"s,
      "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n"s,
      "GET / HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\n: y\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nX:\r\n b\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
      "GET path HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET * HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
      "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n",
      post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
      post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
      post + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
      post + "Content-Length: 3, 3\r\n\r\nabc",
      post + "Content-Length: -1\r\n\r\n",
      post + "Content-Length: +3\r\n\r\nabc",
      post + "Content-Length: 0x3\r\n\r\nabc",
      post + "Content-Length: \r\n\r\n",
      post + "Content-Length: 18446744073709551617\r\n\r\n",
      post + "Content-Length: 99999999999999999999999\r\n\r\n",
      post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      post + "Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
      post + "Transfer-Encoding: chunked\r\n\r\n-1\r\nab\r\n0\r\n\r\n",
      post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nab\r\n0\r\n\r\n",
      post + "Transfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n",
      post + "Transfer-Encoding: chunked\r\n\r\n2\nab\n0\n\n",
      "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  };
}

INSTANTIATE_TEST_SUITE_P(Requests, Malformed, testing::ValuesIn(malformed()));

TEST(HttpLimits, OtherEncodingsAndVersionsAreNamed) {
  TestServer server(ok);
  for (const std::string encoding : {"gzip", "gzip, chunked", "chunked, gzip", "xchunked", "identity"}) {
    RawClient client(server.port());
    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: " + encoding + "\r\n\r\n0\r\n\r\n");
    EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 501")) << encoding;
  }
  RawClient client(server.port());
  client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 505"));
}

TEST(HttpLimits, TheHeadIsLimited) {
  ServerOptions options;
  options.max_head_bytes = 2000;
  options.max_headers = 10;
  TestServer server(ok, options);
  RawClient fits(server.port());
  fits.send("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(1900, 'x') + "\r\n\r\n");
  EXPECT_THAT(fits.read_answer(), StartsWith("HTTP/1.1 200"));
  RawClient large(server.port());
  large.send("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(2000, 'x') + "\r\n\r\n");
  EXPECT_THAT(large.read_to_end(), StartsWith("HTTP/1.1 431"));
  RawClient endless(server.port());
  endless.send("GET /" + std::string(100000, 'x'));
  EXPECT_THAT(endless.read_to_end(), StartsWith("HTTP/1.1 431"));
  RawClient many(server.port());
  std::string headers;
  for (int i = 0; i < 10; ++i) headers += "X: y\r\n";
  many.send("GET / HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n");
  EXPECT_THAT(many.read_to_end(), StartsWith("HTTP/1.1 431"));
}

TEST(HttpLimits, AHeadLargerThanTheFirstBufferIsRead) {
  TestServer server([](std::unique_ptr<Exchange> exchange) {
    const auto value = find_header(exchange->head().headers, "x-LARGE").value_or("");
    exchange->respond(200, {}, std::to_string(value.size()));
  });
  RawClient client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: h\r\nX-Large: " + std::string(60000, 'x') + "\r\n\r\n");
  EXPECT_THAT(client.read_answer(), EndsWith("\r\n\r\n60000"));
}

TEST(HttpLimits, TheBodyIsLimited) {
  ServerOptions options;
  options.max_body_bytes = 1000;
  TestServer server(report_read, options);
  RawClient fits(server.port());
  fits.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'x'));
  EXPECT_THAT(fits.read_answer(), EndsWith("complete"));
  RawClient large(server.port());
  large.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n" + std::string(1001, 'x'));
  EXPECT_THAT(large.read_to_end(), StartsWith("HTTP/1.1 413"));
  RawClient chunked(server.port());
  chunked.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + std::string(1000, 'x') +
               "\r\n1\r\nx\r\n0\r\n\r\n");
  EXPECT_THAT(chunked.read_to_end(), EndsWith("RESOURCE_EXHAUSTED"));
}

TEST(HttpLimits, ASlowHeadTimesOut) {
  ServerOptions options;
  options.head_timeout = milliseconds(150);
  TestServer server(ok, options);
  RawClient silent(server.port());
  RawClient slow(server.port());
  slow.send("GET / HTTP/1.1\r\nHo");
  EXPECT_THAT(slow.read_to_end(), StartsWith("HTTP/1.1 408"));
  EXPECT_TRUE(silent.at_end());
}

TEST(HttpLimits, AnIdleConnectionIsClosed) {
  ServerOptions options;
  options.idle_timeout = milliseconds(150);
  TestServer server(ok, options);
  RawClient client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(client.read_answer(), EndsWith("ok"));
  EXPECT_TRUE(client.at_end());
}

TEST(HttpLimits, AStalledBodyFailsTheRead) {
  ServerOptions options;
  options.body_stall_timeout = milliseconds(150);
  TestServer server(report_read, options);
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_THAT(client.read_to_end(), EndsWith("DEADLINE_EXCEEDED"));
}

// Each byte comes in time, all of them do not.
TEST(HttpLimits, ATrickledBodyFailsTheRead) {
  ServerOptions options;
  options.body_timeout = milliseconds(300);
  std::atomic<bool> over = false;
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        auto held = std::make_shared<std::unique_ptr<Exchange>>(std::move(exchange));
        auto next = std::make_shared<std::function<void()>>();
        *next = [&, held, next] {
          (*held)->body().read([&, held, next](Result<std::string_view> piece) {
            if (piece) return (*next)();
            over = true;
            (*held)->respond(400, {}, code_name(piece.error().code));
            held->reset();
            *next = nullptr;
          });
        };
        const auto first = *next;
        first();
      },
      options);
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n");
  EXPECT_TRUE(wait_for([&, trickle = Trickle(client)]() mutable {
    trickle.turn();
    return over.load();
  }));
  EXPECT_THAT(client.read_to_end(), EndsWith("DEADLINE_EXCEEDED"));
}

TEST(HttpLimits, TheTimeForABodyGrowsWithItsLimit) {
  EXPECT_EQ(time_for_body(0), std::chrono::seconds(60));
  EXPECT_EQ(time_for_body(4 << 20), std::chrono::seconds(124));
  EXPECT_LT(time_for_body(std::numeric_limits<std::uint64_t>::max()), std::chrono::hours(24 * 8));
}

// What a handler leaves unread is not waited for byte by byte either.
TEST(HttpLimits, ATrickledRestEndsTheConnection) {
  ServerOptions options;
  options.body_stall_timeout = milliseconds(300);
  TestServer server(ok, options);
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n");
  EXPECT_THAT(client.read_answer(), EndsWith("ok"));
  EXPECT_TRUE(wait_for([&, trickle = Trickle(client)]() mutable {
    trickle.turn();
    return server.server().connections() == 0;
  }));
}

TEST(HttpLimits, ABodyThatTurnsBadFailsTheRead) {
  TestServer server(report_read);
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 100"));
  client.send("2\r\nabX");
  client.send("\r\n0\r\n\r\n");
  EXPECT_THAT(client.read_to_end(), EndsWith("INVALID_ARGUMENT"));
  RawClient line(server.port());
  line.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(200000, 'x'));
  EXPECT_THAT(line.read_to_end(), EndsWith("INVALID_ARGUMENT"));
}

TEST(HttpLimits, ABadBodyThatNobodyReadsEndsTheConnection) {
  TestServer server(ok);
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;");
  EXPECT_THAT(client.read_answer(), EndsWith("ok"));
  client.send(std::string(100'000, 'x'));
  EXPECT_TRUE(client.at_end());
}

TEST(HttpLimits, ABodyCutOffFailsTheRead) {
  std::atomic<bool> cancelled = false;
  TestServer server([&](std::unique_ptr<Exchange> exchange) {
    auto held = std::make_shared<std::unique_ptr<Exchange>>(std::move(exchange));
    Exchange& open = **held;
    open.body().read([&, held](Result<std::string_view> first) {
      (*held)->body().read([&, held](Result<std::string_view> second) {
        cancelled = !second && second.error().code == Code::kCancelled && (*held)->gone();
      });
    });
  });
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
  client.close();
  EXPECT_TRUE(wait_for([&] { return cancelled.load(); }));
}

TEST(HttpLimits, TooManyConnectionsAreTurnedAway) {
  ServerOptions options;
  options.max_connections = 2;
  TestServer server(ok, options);
  RawClient one(server.port());
  RawClient two(server.port());
  ASSERT_TRUE(wait_for([&] { return server.server().connections() == 2; }));
  RawClient three(server.port());
  EXPECT_THAT(three.read_to_end(), StartsWith("HTTP/1.1 503"));
  one.close();
  ASSERT_TRUE(wait_for([&] { return server.server().connections() == 1; }));
  RawClient four(server.port());
  four.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(four.read_answer(), EndsWith("ok"));
}

TEST(HttpDrain, FinishesWhatIsInFlightAndRefusesTheRest) {
  std::unique_ptr<Exchange> held;
  std::atomic<Worker*> home = nullptr;
  Workers* workers = nullptr;
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        if (exchange->head().target != "/held") return exchange->respond(200, {}, "ok");
        held = std::move(exchange);
        home = (*workers)[0].running_here() ? &(*workers)[0] : &(*workers)[1];
      },
      {}, 2);
  workers = &server.workers();
  RawClient idle(server.port());
  idle.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(idle.read_answer(), EndsWith("ok"));
  RawClient busy(server.port());
  busy.send("GET /held HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(wait_for([&] { return home.load() != nullptr; }));

  std::atomic<bool> drained = false;
  server.server().drain(std::chrono::seconds(10), [&](Drained how) {
    EXPECT_EQ(how, Drained::kFinished);
    drained = true;
  });
  EXPECT_TRUE(idle.at_end());
  EXPECT_TRUE(wait_for([&] { return !RawClient(server.port()).connected(); }));
  EXPECT_FALSE(drained);

  home.load()->post([&] {
    held->respond(200, {}, "done");
    held.reset();
  });
  const std::string answer = busy.read_to_end();
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer, EndsWith("done"));
  EXPECT_TRUE(wait_for([&] { return drained.load(); }));
}

// Nobody knows whether more would come: half a head, at first and after an answer, and the rest of a body that the
// handler did not want.
TEST(HttpDrain, DoesNotWaitForRequestsThatAreNotWhole) {
  TestServer server(ok);
  RawClient first(server.port());
  first.send("GET / HTTP/1.1\r\nHo");
  RawClient second(server.port());
  second.send("GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /half");
  EXPECT_THAT(second.read_answer(), EndsWith("ok"));
  RawClient answered(server.port());
  answered.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc");
  EXPECT_THAT(answered.read_answer(), EndsWith("ok"));

  std::atomic<bool> drained = false;
  server.server().drain(std::chrono::hours(1), [&](Drained how) {
    EXPECT_EQ(how, Drained::kFinished);
    drained = true;
  });
  EXPECT_TRUE(first.at_end());
  EXPECT_TRUE(second.at_end());
  EXPECT_TRUE(answered.at_end());
  EXPECT_TRUE(wait_for([&] { return drained.load(); }));
}

TEST(HttpDrain, CutsWhatIsLeftAtTheDeadline) {
  std::unique_ptr<Exchange> held;
  std::atomic<bool> arrived = false;
  TestServer server([&](std::unique_ptr<Exchange> exchange) {
    held = std::move(exchange);
    arrived = true;
  });
  RawClient client(server.port());
  client.send("GET /kept HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(wait_for([&] { return arrived.load(); }));
  std::atomic<bool> drained = false;
  server.server().drain(milliseconds(50), [&](Drained how) {
    EXPECT_EQ(how, Drained::kCut);
    drained = true;
  });
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_TRUE(wait_for([&] { return drained.load(); }));
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

// An answer that is written, but that the client does not take.
TEST(HttpDrain, AnAnswerThatHasNotLeftIsCut) {
  std::atomic<bool> answered = false;
  TestServer server([&](std::unique_ptr<Exchange> exchange) {
    exchange->respond(200, {}, std::string(32 << 20, 'x'));
    answered = true;
  });
  RawClient client(server.port(), 4096);
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(wait_for([&] { return answered.load(); }));
  std::atomic<bool> cut = false;
  server.server().drain(milliseconds(50), [&](Drained how) { cut = how == Drained::kCut; });
  EXPECT_TRUE(wait_for([&] { return cut.load(); }));
}

}  // namespace
}  // namespace tandem::net
