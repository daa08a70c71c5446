// The server as a well-behaved client sees it.
#include "net/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>

#include "net/testing/raw_client.h"

namespace tandem::net {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Answers with what it was asked.
void echo(std::unique_ptr<Exchange> exchange) {
  const RequestHead& head = exchange->head();
  std::string body = std::string(head.method) + " " + std::string(head.authority) + " " + std::string(head.target);
  if (const auto whole = exchange->body().take_whole()) {
    body += " [" + std::string(*whole) + "]";
    const Header type{"Content-Type", "text/plain"};
    exchange->respond(200, {&type, 1}, body);
    return;
  }
  // Reads to the end, then answers.
  struct Reader {
    std::unique_ptr<Exchange> exchange;
    std::string body;
    static void next(std::shared_ptr<Reader> self) {
      BodySource& source = self->exchange->body();
      source.read([self](Result<std::string_view> piece) {
        if (!piece) {
          const int status = piece.error().code == Code::kResourceExhausted ? 413 : 400;
          self->exchange->respond(status, {}, code_name(piece.error().code));
          self->exchange.reset();
        } else if (piece->empty()) {
          self->exchange->respond(200, {}, "streamed " + self->body);
          self->exchange.reset();
        } else {
          self->body += *piece;
          next(self);
        }
      });
    }
  };
  Reader::next(std::make_shared<Reader>(Reader{std::move(exchange), {}}));
}

TEST(HttpServer, AnswersAndKeepsTheConnection) {
  TestServer server(echo);
  RawClient client(server.port());
  client.send("GET /a?b=c HTTP/1.1\r\nHost: here:1\r\n\r\n");
  const std::string first = client.read_answer();
  EXPECT_THAT(first, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(first, HasSubstr("Content-Type: text/plain\r\n"));
  EXPECT_THAT(first, HasSubstr("Date: "));
  EXPECT_THAT(first, Not(HasSubstr("Connection")));
  EXPECT_THAT(first, EndsWith("\r\n\r\nGET here:1 /a?b=c []"));
  client.send("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_THAT(client.read_answer(), EndsWith("POST h /x [hello]"));
  client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.read_answer(), HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(client.at_end());
}

TEST(HttpServer, ReadsARequestThatComesByteByByte) {
  TestServer server(echo);
  RawClient client(server.port());
  for (const char c : std::string("POST /slow HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n")) {
    client.send({&c, 1});
  }
  const std::string answer = client.read_answer();
  EXPECT_TRUE(answer.ends_with("abcde") || answer.ends_with("[abcde]")) << answer;
}

TEST(HttpServer, AnswersPipelinedRequestsInOrderOneAtATime) {
  std::mutex mutex;
  std::vector<std::unique_ptr<Exchange>> held;
  std::atomic<int> arrived = 0;
  TestServer server([&](std::unique_ptr<Exchange> exchange) {
    const std::scoped_lock lock(mutex);
    held.push_back(std::move(exchange));
    ++arrived;
  });
  RawClient client(server.port());
  client.send(
      "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"
      "GET /3 HTTP/1.1\r\nHost: h\r\n\r\n");
  for (int i = 1; i <= 3; ++i) {
    ASSERT_TRUE(wait_for([&] { return arrived == i; }));
    server.workers()[0].post([&] {
      std::unique_ptr<Exchange> exchange;
      {
        const std::scoped_lock lock(mutex);
        exchange = std::move(held.back());
      }
      const std::string target(exchange->head().target);
      exchange->respond(200, {}, target);
    });
    EXPECT_THAT(client.read_answer(), EndsWith("\r\n\r\n/" + std::to_string(i)));
    EXPECT_LE(arrived, i + 1);
  }
}

TEST(HttpServer, HandsASmallChunkedBodyOverWhole) {
  TestServer server(echo);
  RawClient client(server.port());
  client.send(
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
      "GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(client.read_answer(), EndsWith("[abcde]"));
  EXPECT_THAT(client.read_answer(), EndsWith("/next []"));
}

TEST(HttpServer, StreamsALargeBody) {
  std::atomic<std::uint64_t> received = 0;
  TestServer server([&](std::unique_ptr<Exchange> exchange) {
    struct Count {
      std::unique_ptr<Exchange> exchange;
      std::atomic<std::uint64_t>& received;
      bool in_order = true;
      static void next(std::shared_ptr<Count> self) {
        self->exchange->body().read([self](Result<std::string_view> piece) {
          ASSERT_TRUE(piece.has_value());
          if (piece->empty()) {
            self->exchange->respond(200, {}, self->in_order ? "in order" : "mixed up");
            self->exchange.reset();
            return;
          }
          for (const char c : *piece) self->in_order &= c == static_cast<char>('a' + self->received++ % 23);
          next(self);
        });
      }
    };
    Count::next(std::make_shared<Count>(Count{std::move(exchange), received}));
  });
  std::string body;
  for (int i = 0; i < 1'000'000; ++i) body += static_cast<char>('a' + i % 23);
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n" + body);
  EXPECT_THAT(client.read_answer(), EndsWith("in order"));
  EXPECT_EQ(received, 1'000'000u);

  received = 0;
  std::string chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (std::size_t at = 0; at < body.size(); at += 1000) chunked += "3e8\r\n" + body.substr(at, 1000) + "\r\n";
  client.send(chunked + "0\r\n\r\n");
  EXPECT_THAT(client.read_answer(), EndsWith("in order"));
  EXPECT_EQ(received, 1'000'000u);
}

TEST(HttpServer, SaysContinueWhenTheBodyIsRead) {
  TestServer server(echo);
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("body");
  EXPECT_THAT(client.read_answer(), EndsWith("streamed body"));
}

TEST(HttpServer, AsksForTheExpectedBodyBeforeAnAnswerThatBeginsFirst) {
  TestServer server([](std::unique_ptr<Exchange> exchange) {
    auto held = std::make_shared<std::unique_ptr<Exchange>>(std::move(exchange));
    (*held)->start(200, {});
    (*held)->body().read([held](Result<std::string_view> piece) {
      (*held)->write(piece ? *piece : "no body", [held](Status) {
        (*held)->finish();
        held->reset();
      });
    });
  });
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200"));
  client.send("body");
  EXPECT_EQ(client.read_until("0\r\n\r\n"), "4\r\nbody\r\n0\r\n\r\n");
}

TEST(HttpServer, ClosesWhenNobodyAskedForTheExpectedBody) {
  TestServer server([](std::unique_ptr<Exchange> exchange) { exchange->respond(403, {}, "no"); });
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  const std::string answer = client.read_answer();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(answer, HasSubstr("Connection: close"));
  EXPECT_TRUE(client.at_end());
}

TEST(HttpServer, RefusesOtherExpectations) {
  TestServer server(echo);
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: wonders\r\n\r\nbody");
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 417"));
}

TEST(HttpServer, DrainsABodyThatNobodyRead) {
  TestServer server([](std::unique_ptr<Exchange> exchange) { exchange->respond(200, {}, "ok"); });
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + std::string(1000, 'x'));
  EXPECT_THAT(client.read_answer(), Not(HasSubstr("close")));
  client.send(std::string(99000, 'x') + "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(client.read_answer(), EndsWith("ok"));
  // Too much to drain: the connection is closed, and still the answer arrives.
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n" + std::string(100000, 'x'));
  EXPECT_THAT(client.read_to_end(), HasSubstr("Connection: close"));
}

TEST(HttpServer, LeavesTheBodyOutWhereThereIsNone) {
  TestServer server([](std::unique_ptr<Exchange> exchange) {
    const std::string target(exchange->head().target);
    exchange->respond(target == "/204" ? 204 : target == "/304" ? 304 : 200, {}, "body");
  });
  RawClient client(server.port());
  client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string head = client.read_until("\r\n\r\n");
  EXPECT_THAT(head, HasSubstr("Content-Length: 4"));
  client.send("GET /204 HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string empty = client.read_until("\r\n\r\n");
  EXPECT_THAT(empty, StartsWith("HTTP/1.1 204"));
  EXPECT_THAT(empty, Not(HasSubstr("Content-Length")));
  client.send("GET /304 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.read_to_end(), EndsWith("\r\n\r\n"));
}

TEST(HttpServer, SpeaksHttp10) {
  TestServer server(echo);
  RawClient once(server.port());
  once.send("GET /old HTTP/1.0\r\n\r\n");
  EXPECT_THAT(once.read_to_end(), EndsWith("GET  /old []"));
  RawClient kept(server.port());
  kept.send("GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(kept.read_answer(), HasSubstr("Connection: keep-alive\r\n"));
  kept.send("GET /again HTTP/1.0\r\n\r\n");
  EXPECT_THAT(kept.read_to_end(), EndsWith("/again []"));
}

TEST(HttpServer, StreamsToHttp10UntilItCloses) {
  TestServer server([](std::unique_ptr<Exchange> exchange) {
    exchange->start(200, {});
    exchange->write("one ", [](Status) {});
    exchange->write("two", [](Status) {});
    exchange->finish();
  });
  RawClient client(server.port());
  client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const std::string answer = client.read_to_end();
  EXPECT_THAT(answer, Not(HasSubstr("chunked")));
  EXPECT_THAT(answer, EndsWith("\r\n\r\none two"));
}

TEST(HttpServer, TakesTheAbsoluteForm) {
  TestServer server(echo);
  RawClient client(server.port());
  client.send("GET http://there:8/p?q HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(client.read_answer(), EndsWith("GET there:8 /p?q []"));
}

TEST(HttpServer, Answers500WhenTheHandlerForgets) {
  TestServer server([](std::unique_ptr<Exchange>) {});
  RawClient client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string answer = client.read_answer();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 500"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 0\r\n"));
}

TEST(HttpServer, NeverWritesAHeaderThatSplitsTheAnswer) {
  TestServer server([](std::unique_ptr<Exchange> exchange) {
    const Header evil{"X-Evil", "a\r\nSet-Cookie: b"};
    exchange->respond(200, {&evil, 1}, "body");
  });
  RawClient client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string answer = client.read_answer();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 500"));
  EXPECT_THAT(answer, Not(HasSubstr("Set-Cookie")));
}

TEST(HttpServer, SpreadsConnectionsOverTheWorkers) {
  std::mutex mutex;
  std::vector<std::thread::id> threads;
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        const std::scoped_lock lock(mutex);
        threads.push_back(std::this_thread::get_id());
        exchange->respond(200, {}, "");
      },
      {}, 3);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 9; ++i) {
    clients.push_back(std::make_unique<RawClient>(server.port()));
    clients.back()->send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_THAT(clients.back()->read_answer(), StartsWith("HTTP/1.1 200"));
  }
  EXPECT_EQ(server.server().connections(), 9u);
  std::sort(threads.begin(), threads.end());
  for (int i = 0; i < 9; i += 3) {
    EXPECT_EQ(std::count(threads.begin(), threads.end(), threads[static_cast<std::size_t>(i)]), 3);
  }
  clients.clear();
  EXPECT_TRUE(wait_for([&] { return server.server().connections() == 0; }));
}

TEST(HttpServer, SaysWhyItCannotListen) {
  TestServer server(echo);
  Workers workers(1);
  ServerOptions options;
  options.port = server.port();
  options.purpose = "the Dapr HTTP API";
  options.hint = "choose another with --dapr-http-port";
  FunctionHandler handler(echo);
  const auto factory = [&](Worker&) -> Handler& { return handler; };
  const auto taken = HttpServer::listen(workers, options, factory);
  ASSERT_FALSE(taken.has_value());
  EXPECT_EQ(taken.error().message, "cannot listen on 127.0.0.1:" + std::to_string(server.port()) +
                                       " for the Dapr HTTP API: address already in use; choose another with "
                                       "--dapr-http-port");
  options.address = "nowhere";
  const auto bad = HttpServer::listen(workers, options, factory);
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().code, Code::kInvalidArgument);
  EXPECT_THAT(bad.error().message, HasSubstr("\"nowhere\" is not an IP address"));
}

TEST(HttpServer, TellsTheObserver) {
  struct Observer final : ServerObserver {
    void request_finished(const RequestRecord& record) noexcept override {
      line = std::string(record.method) + " " + std::string(record.target) + " " + std::to_string(record.status) + " " +
             std::to_string(record.bytes_in) + " " + std::to_string(record.bytes_out);
      took = record.duration;
      ++requests;
    }
    std::string line;
    std::chrono::nanoseconds took{0};
    std::atomic<int> requests = 0;
  } observer;
  ServerOptions options;
  options.observer = &observer;
  TestServer server(echo, options);
  RawClient client(server.port());
  client.send("POST /o HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
  client.read_answer();
  ASSERT_TRUE(wait_for([&] { return observer.requests == 1; }));
  EXPECT_EQ(observer.line, "POST /o 200 3 15");
  EXPECT_GT(observer.took.count(), 0);
}

}  // namespace
}  // namespace tandem::net
