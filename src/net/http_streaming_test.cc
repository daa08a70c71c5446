// Answers in pieces, back-pressure, and clients that leave.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "net/http_server.h"
#include "net/testing/raw_client.h"

namespace tandem::net {
namespace {

using std::chrono::milliseconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

void ignore(Status) {}

// Writes `left` pieces, each when the one before has been taken; then finishes. Counts what has been taken.
struct Writer {
  std::unique_ptr<Exchange> exchange;
  int left;
  std::atomic<int>& written;
  std::atomic<int>& failed;
  std::string piece = std::string(10'000, 'p');

  static void next(std::shared_ptr<Writer> self) {
    if (self->left-- == 0) {
      self->exchange->finish();
      self->exchange.reset();
      return;
    }
    self->exchange->write(self->piece, [self](Status status) {
      if (!status) {
        self->failed = static_cast<int>(status.error().code);
        self->exchange.reset();
        return;
      }
      ++self->written;
      next(self);
    });
  }
};

TEST(HttpStreaming, ChunksAnAnswerWithoutALength) {
  TestServer server([](std::unique_ptr<Exchange> exchange) {
    const Header type{"Content-Type", "text/event-stream"};
    exchange->start(200, {&type, 1});
    exchange->write("one", ignore);
    exchange->write("", ignore);
    exchange->write("a second piece", ignore);
    const Header trailer{"X-Sum", "17"};
    exchange->finish({&trailer, 1});
  });
  RawClient client(server.port());
  for (int i = 0; i < 2; ++i) {
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("Transfer-Encoding: chunked\r\n"));
    EXPECT_EQ(client.read_until("0\r\nX-Sum: 17\r\n\r\n"), "3\r\none\r\ne\r\na second piece\r\n0\r\nX-Sum: 17\r\n\r\n");
  }
}

TEST(HttpStreaming, SendsTheHeadBeforeThereIsABody) {
  std::unique_ptr<Exchange> held;
  TestServer server([&](std::unique_ptr<Exchange> exchange) {
    exchange->start(200, {});
    held = std::move(exchange);
  });
  RawClient client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200"));
  server.workers()[0].post([&] {
    held->write("late", ignore);
    held->finish();
    held.reset();
  });
  EXPECT_EQ(client.read_until("0\r\n\r\n"), "4\r\nlate\r\n0\r\n\r\n");
}

TEST(HttpStreaming, KeepsToAContentLength) {
  TestServer server([](std::unique_ptr<Exchange> exchange) {
    const std::string target(exchange->head().target);
    const Header length{"Content-Length", "6"};
    exchange->start(200, {&length, 1});
    exchange->write("abc", ignore);
    if (target == "/exact") exchange->write("def", ignore);
    if (target == "/long") {
      exchange->write("defg", [](Status status) { EXPECT_EQ(status.error().code, Code::kInvalidArgument); });
    }
    exchange->finish();
  });
  RawClient exact(server.port());
  exact.send("GET /exact HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string answer = exact.read_answer();
  EXPECT_THAT(answer, EndsWith("\r\n\r\nabcdef"));
  EXPECT_THAT(answer, Not(HasSubstr("chunked")));
  for (const std::string target : {"/short", "/long"}) {
    RawClient client(server.port());
    client.send("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_THAT(client.read_to_end(), Not(HasSubstr("def"))) << target;
  }
}

TEST(HttpStreaming, AnAnswerThatIsDroppedIsCut) {
  TestServer server([](std::unique_ptr<Exchange> exchange) {
    exchange->start(200, {});
    exchange->write("part", ignore);
  });
  RawClient client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(client.read_to_end(), Not(HasSubstr("0\r\n\r\n")));
}

TEST(HttpStreaming, LeavesTheBodyOutForHead) {
  TestServer server([](std::unique_ptr<Exchange> exchange) {
    const Header length{"Content-Length", "100"};
    exchange->start(200, {&length, 1});
    exchange->write("anything", ignore);
    exchange->finish();
  });
  RawClient client(server.port());
  for (int i = 0; i < 2; ++i) {
    client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("Content-Length: 100"));
  }
}

TEST(HttpStreaming, ASlowReaderHoldsTheWriterBack) {
  std::atomic<int> written = 0;
  std::atomic<int> failed = 0;
  constexpr int kPieces = 3000;
  TestServer server([&](std::unique_ptr<Exchange> exchange) {
    exchange->start(200, {});
    Writer::next(std::make_shared<Writer>(Writer{std::move(exchange), kPieces, written, failed}));
  });
  RawClient client(server.port(), 16 * 1024);
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200"));
  // Unread, the answer stops at what the kernel buffers: the worker has time for other clients.
  RawClient other(server.port());
  other.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(other.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200"));
  ASSERT_TRUE(wait_for([&] { return written > kPieces; }));  // the HEAD answer's pieces go nowhere and all count
  EXPECT_LT(written, 2 * kPieces);
  const std::string body = client.read_until("0\r\n\r\n");
  EXPECT_EQ(body.size(), kPieces * (10'000u + 8) + 5);
  EXPECT_EQ(written, 2 * kPieces);
  EXPECT_EQ(failed, 0);
}

TEST(HttpStreaming, AClientThatTakesNothingIsCut) {
  std::atomic<int> written = 0;
  std::atomic<int> failed = 0;
  ServerOptions options;
  options.write_stall_timeout = milliseconds(150);
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        exchange->start(200, {});
        Writer::next(std::make_shared<Writer>(Writer{std::move(exchange), 1'000'000, written, failed}));
      },
      options);
  RawClient client(server.port(), 16 * 1024);
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(wait_for([&] { return failed == static_cast<int>(Code::kCancelled); }));
}

TEST(HttpStreaming, AClientThatLeavesCancelsTheWriter) {
  std::atomic<int> written = 0;
  std::atomic<int> failed = 0;
  TestServer server([&](std::unique_ptr<Exchange> exchange) {
    exchange->start(200, {});
    Writer::next(std::make_shared<Writer>(Writer{std::move(exchange), 1'000'000, written, failed}));
  });
  RawClient client(server.port(), 16 * 1024);
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200"));
  client.close();
  EXPECT_TRUE(wait_for([&] { return failed == static_cast<int>(Code::kCancelled); }));
}

TEST(HttpStreaming, TheHandlerSeesThatTheClientHasGone) {
  std::unique_ptr<Exchange> held;
  std::atomic<bool> arrived = false;
  TestServer server([&](std::unique_ptr<Exchange> exchange) {
    held = std::move(exchange);
    arrived = true;
  });
  RawClient client(server.port());
  client.send("POST /thinking HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi");
  ASSERT_TRUE(wait_for([&] { return arrived.load(); }));
  client.reset();
  std::atomic<bool> gone = false;
  ASSERT_TRUE(wait_for([&] {
    server.workers()[0].post([&] { gone = held->gone(); });
    return gone.load();
  }));
  std::atomic<bool> released = false;
  server.workers()[0].post([&] {
    EXPECT_EQ(held->head().target, "/thinking");
    EXPECT_EQ(held->body().take_whole().value_or(""), "hi");
    held->start(200, {});
    held->write("x", [](Status status) { EXPECT_EQ(status.error().code, Code::kCancelled); });
    held.reset();
    released = true;
  });
  EXPECT_TRUE(wait_for([&] { return released.load(); }));
}

TEST(HttpStreaming, AClientThatHasSentAllItWantsIsStillAnswered) {
  std::unique_ptr<Exchange> held;
  TestServer server([&](std::unique_ptr<Exchange> exchange) { held = std::move(exchange); });
  RawClient client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  client.close_sending();
  std::atomic<bool> gone = false;
  ASSERT_TRUE(wait_for([&] {
    server.workers()[0].post([&] { gone = held && held->gone(); });
    return gone.load();
  }));
  server.workers()[0].post([&] {
    held->respond(200, {}, "anyway");
    held.reset();
  });
  EXPECT_THAT(client.read_to_end(), EndsWith("anyway"));
}

TEST(HttpStreaming, AnExchangeOutlivesItsServer) {
  std::unique_ptr<Exchange> held;
  std::atomic<bool> arrived = false;
  TestServer server([&](std::unique_ptr<Exchange> exchange) {
    held = std::move(exchange);
    arrived = true;
  });
  RawClient client(server.port());
  client.send("GET /held HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(wait_for([&] { return arrived.load(); }));
  server.stop_server();
  EXPECT_TRUE(client.at_end());
  std::atomic<bool> released = false;
  server.workers()[0].post([&] {
    EXPECT_EQ(held->head().target, "/held");
    held.reset();
    released = true;
  });
  EXPECT_TRUE(wait_for([&] { return released.load(); }));
}

}  // namespace
}  // namespace tandem::net
