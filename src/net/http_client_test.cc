#include "net/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <future>

#include "net/in_process.h"
#include "net/testing/client_fixture.h"
#include "net/testing/raw_client.h"
#include "net/testing/scripted_server.h"

namespace tandem::net {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

class HttpClientTest : public ClientFixture {
 protected:
  static ClientRequest to(std::uint16_t port, std::string target = "/") {
    return request_to(ClientProtocol::kHttp1, port, std::move(target));
  }
};

void echo(std::unique_ptr<Exchange> exchange) {
  const RequestHead& head = exchange->head();
  std::string text = std::string(head.method) + " " + std::string(head.authority) + std::string(head.target) + " ";
  for (const Header& header : head.headers) text.append(header.name).append("=").append(header.value).append(";");
  const auto whole = exchange->body().take_whole();
  text += " " + std::string(whole.value_or("(streamed)"));
  const Header type{"Content-Type", "text/plain"};
  exchange->respond(200, {&type, 1}, text);
}

TEST_F(HttpClientTest, SendsAndKeepsTheConnection) {
  TestServer server(echo);
  for (int i = 0; i < 3; ++i) {
    ClientRequest request = to(server.port(), "/path?q=1");
    request.method = "POST";
    request.headers = {{"X-One", "1"}, {"Connection", "close"}, {"Content-Length", "999"}};
    request.body = std::string("hello");
    const Outcome outcome = send(std::move(request));
    ASSERT_FALSE(outcome.error) << outcome.error->message;
    EXPECT_EQ(outcome.status, 200);
    EXPECT_THAT(outcome.headers, HasSubstr("Content-Type=text/plain;"));
    const std::string host = "127.0.0.1:" + std::to_string(server.port());
    EXPECT_EQ(outcome.body, "POST " + host + "/path?q=1 X-One=1;Host=" + host + ";Content-Length=5; hello");
    EXPECT_EQ(idle(), 1u);
  }
  EXPECT_EQ(server.server().connections(), 1u);
}

TEST_F(HttpClientTest, ResolvesNames) {
  TestServer server(echo);
  ClientRequest request = to(server.port());
  request.host = "localhost";
  const Outcome outcome = send(std::move(request));
  ASSERT_FALSE(outcome.error) << outcome.error->message;
  EXPECT_THAT(outcome.body, HasSubstr("localhost:" + std::to_string(server.port())));
}

TEST_F(HttpClientTest, StreamsBothWays) {
  // Sends back every piece as it comes.
  TestServer server([](std::unique_ptr<Exchange> exchange) {
    struct Copy {
      std::unique_ptr<Exchange> exchange;
      static void next(std::shared_ptr<Copy> self) {
        self->exchange->body().read([self](Result<std::string_view> piece) {
          ASSERT_TRUE(piece.has_value());
          if (piece->empty()) {
            const Headers trailers = self->exchange->body().trailers();
            ASSERT_EQ(trailers.size(), 1u);
            EXPECT_EQ(trailers[0].name, "X-Sum");
            EXPECT_EQ(trailers[0].value, "17");
            const Header trailer{"X-Done", "yes"};
            self->exchange->finish({&trailer, 1});
            self->exchange.reset();
            return;
          }
          self->exchange->write(*piece, [self](Status status) {
            ASSERT_TRUE(status.has_value());
            next(self);
          });
        });
      }
    };
    exchange->start(200, {});
    Copy::next(std::make_shared<Copy>(Copy{std::move(exchange)}));
  });
  struct Pieces final : BodySource {
    void read(Completion<std::string_view> done) override {
      piece = left-- > 0 ? std::string(10'000, static_cast<char>('a' + left % 26)) : std::string();
      done(std::string_view(piece));
    }
    std::optional<std::string_view> take_whole() override { return std::nullopt; }
    Headers trailers() const override { return sum; }
    const std::array<Header, 2> sum{{{"X-Sum", "17"}, {"Content-Length", "1"}}};
    int left = 200;
    std::string piece;
  };
  ClientRequest request = to(server.port());
  request.method = "PUT";
  request.body = std::make_unique<Pieces>();
  const Outcome outcome = send(std::move(request));
  ASSERT_FALSE(outcome.error) << outcome.error->message;
  EXPECT_EQ(outcome.body.size(), 2'000'000u);
  EXPECT_EQ(outcome.body.front(), 'a' + 199 % 26);
  EXPECT_EQ(outcome.body.back(), 'a');
  EXPECT_EQ(outcome.trailers, "X-Done=yes;");
  EXPECT_EQ(idle(), 1u);
}

TEST_F(HttpClientTest, ChecksTheLengthOfAStreamedBody) {
  // Answers when the whole body has come.
  TestServer server([](std::unique_ptr<Exchange> exchange) {
    struct Reader {
      std::unique_ptr<Exchange> exchange;
      static void next(std::shared_ptr<Reader> self) {
        self->exchange->body().read([self](Result<std::string_view> piece) {
          if (piece && !piece->empty()) return next(self);
          self->exchange->respond(piece ? 200 : 400, {}, "read");
          self->exchange.reset();
        });
      }
    };
    Reader::next(std::make_shared<Reader>(Reader{std::move(exchange)}));
  });
  for (const std::string length : {"4", "2", "9"}) {
    ClientRequest request = to(server.port());
    request.method = "POST";
    request.headers = {{"Content-Length", length}};
    request.body = make_body("body");
    const Outcome outcome = send(std::move(request));
    EXPECT_EQ(outcome.error.has_value(), length != "4") << length;
    if (outcome.error) EXPECT_EQ(outcome.error->code, Code::kInvalidArgument);
  }
}

TEST_F(HttpClientTest, ReadsEveryKindOfAnswer) {
  ScriptedServer server({{
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
      "2\r\n\r\nok",
      "HTTP/1.1 204 No Content\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\nT: 1\r\n\r\n",
      "HTTP/1.1 201\r\nX-Mark: 1\r\nContent-Length: 9\r\n\r\nno reason",
      "HTTP/1.1 200 OK\r\n\r\nuntil the end",
  }});
  EXPECT_EQ(send(to(server.port())).body, "ok");
  EXPECT_EQ(send(to(server.port())).status, 204);
  ClientRequest head = to(server.port());
  head.method = "HEAD";
  EXPECT_THAT(send(std::move(head)).headers, HasSubstr("Content-Length=1000"));
  const Outcome chunked = send(to(server.port()));
  EXPECT_EQ(chunked.body, "abc");
  EXPECT_EQ(chunked.trailers, "T=1;");
  const Outcome unexplained = send(to(server.port()));
  EXPECT_EQ(unexplained.status, 201);
  EXPECT_THAT(unexplained.headers, HasSubstr("X-Mark=1;"));
  EXPECT_EQ(unexplained.body, "no reason");
  EXPECT_EQ(send(to(server.port())).body, "until the end");
  EXPECT_EQ(server.accepted(), 1);
  EXPECT_EQ(idle(), 0u);
}

TEST_F(HttpClientTest, NamesTheServerThatAnswersBadly) {
  const std::vector<std::pair<std::string, Code>> answers = {
      {"nonsense\r\n\r\n", Code::kInternal},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", Code::kInternal},
      {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", Code::kInternal},
      {"HTTP/1.1 101 Switching Protocols\r\n\r\n", Code::kInternal},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n", Code::kInternal},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Code::kInternal},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", Code::kUnavailable},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", Code::kUnavailable},
      {"HTTP/1.1 200", Code::kUnavailable},
      {"", Code::kUnavailable},
  };
  for (const auto& [answer, code] : answers) {
    ScriptedServer server({{answer}});
    const Outcome outcome = send(to(server.port()));
    ASSERT_TRUE(outcome.error) << answer.substr(0, 80);
    EXPECT_EQ(outcome.error->code, code) << answer.substr(0, 80) << outcome.error->message;
    EXPECT_THAT(outcome.error->message, HasSubstr("127.0.0.1:" + std::to_string(server.port())));
  }
}

TEST_F(HttpClientTest, TriesAgainOnlyWhereThatIsSafe) {
  const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  {
    // The kept connection takes the second request and closes without a byte.
    ScriptedServer server({{ok, ""}, {ok}});
    EXPECT_EQ(send(to(server.port())).body, "ok");
    EXPECT_EQ(send(to(server.port(), "/again")).body, "ok");
    EXPECT_EQ(server.accepted(), 2);
  }
  {
    ScriptedServer server({{ok, ""}, {ok}});
    EXPECT_EQ(send(to(server.port())).body, "ok");
    ClientRequest post = to(server.port());
    post.method = "POST";
    const Outcome outcome = send(std::move(post));
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->code, Code::kUnavailable);
    EXPECT_EQ(server.accepted(), 1);
  }
  {
    // A new connection that fails is not tried again.
    ScriptedServer server({{""}, {ok}});
    EXPECT_TRUE(send(to(server.port())).error.has_value());
    EXPECT_EQ(server.accepted(), 1);
  }
}

TEST_F(HttpClientTest, AsksTheFilterAboutEveryAddress) {
  TestServer server(echo);
  ClientRequest request = to(server.port());
  request.host = "localhost";
  std::string asked;
  request.address_filter = [&](std::string_view ip, std::uint16_t port) {
    asked += std::string(ip) + " " + std::to_string(port) + ";";
    return false;
  };
  const Outcome refused = send(std::move(request));
  ASSERT_TRUE(refused.error);
  EXPECT_EQ(refused.error->code, Code::kPermissionDenied);
  EXPECT_THAT(refused.error->message, HasSubstr("localhost:" + std::to_string(server.port())));
  EXPECT_THAT(asked, HasSubstr("127.0.0.1 " + std::to_string(server.port()) + ";"));
  // A kept connection is no way around it.
  EXPECT_FALSE(send(to(server.port())).error);
  ClientRequest again = to(server.port());
  again.address_filter = [](std::string_view, std::uint16_t) { return false; };
  EXPECT_EQ(send(std::move(again)).error->code, Code::kPermissionDenied);
}

TEST_F(HttpClientTest, AsksTheFilterAboutMappedAddressesAsIpv4) {
  ClientRequest request = to(9);
  request.host = "[::ffff:127.0.0.1]";
  std::string asked;
  request.address_filter = [&](std::string_view ip, std::uint16_t) {
    asked = ip;
    return false;
  };
  EXPECT_EQ(send(std::move(request)).error->code, Code::kPermissionDenied);
  EXPECT_EQ(asked, "127.0.0.1");
}

TEST_F(HttpClientTest, RefusesRequestsThatAreNotHttp) {
  const auto expect_invalid = [&](ClientRequest request) {
    const Outcome outcome = send(std::move(request));
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->code, Code::kInvalidArgument) << outcome.error->message;
  };
  ClientRequest request = to(1, "/a b");
  expect_invalid(std::move(request));
  request = to(1, "/a\r\nX: y");
  expect_invalid(std::move(request));
  request = to(1);
  request.headers = {{"X", "a\r\nY: b"}};
  expect_invalid(std::move(request));
  request = to(1);
  request.method = "GET /x";
  expect_invalid(std::move(request));
  request = to(1);
  request.scheme = "gopher";
  expect_invalid(std::move(request));
  request = to(1);
  request.host = "a@b";
  expect_invalid(std::move(request));
}

TEST_F(HttpClientTest, TimesOut) {
  std::vector<std::unique_ptr<Exchange>> held;
  TestServer server([&](std::unique_ptr<Exchange> exchange) {
    if (exchange->head().target == "/part") {
      exchange->start(200, {});
      exchange->write("part", [](Status) {});
    }
    held.push_back(std::move(exchange));
  });
  ClientRequest first = to(server.port());
  first.first_byte_timeout = milliseconds(50);
  const Outcome no_answer = send(std::move(first));
  ASSERT_TRUE(no_answer.error);
  EXPECT_EQ(no_answer.error->code, Code::kDeadlineExceeded);
  EXPECT_THAT(no_answer.error->message, HasSubstr("did not answer within 50 ms"));
  ClientRequest between = to(server.port(), "/part");
  between.between_bytes_timeout = milliseconds(50);
  const Outcome stalled = send(std::move(between));
  EXPECT_EQ(stalled.body, "part");
  ASSERT_TRUE(stalled.error);
  EXPECT_EQ(stalled.error->code, Code::kDeadlineExceeded);
  std::atomic<bool> released = false;
  server.workers()[0].post([&] {
    held.clear();
    released = true;
  });
  EXPECT_TRUE(wait_for([&] { return released.load(); }));
}

TEST_F(HttpClientTest, SaysWhenNobodyListens) {
  std::uint16_t port = 0;
  {
    TestServer server(echo);
    port = server.port();
  }
  const Outcome outcome = send(to(port));
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Code::kUnavailable);
  EXPECT_THAT(outcome.error->message,
              HasSubstr("dial tcp 127.0.0.1:" + std::to_string(port) + ": connect: connection refused"));
}

TEST_F(HttpClientTest, CancelClosesTheConnectionAndDropsTheSink) {
  std::atomic<bool> arrived = false;
  std::atomic<bool> gone = false;
  std::unique_ptr<Exchange> held;
  TestServer server([&](std::unique_ptr<Exchange> exchange) {
    held = std::move(exchange);
    arrived = true;
  });
  std::future<Outcome> outcome = start(to(server.port()));
  ASSERT_TRUE(wait_for([&] { return arrived.load(); }));
  run([&] { handle_.cancel(); });
  EXPECT_THROW(outcome.get(), std::future_error);  // the sink was destroyed without a word
  EXPECT_TRUE(wait_for([&] {
    server.workers()[0].post([&] { gone = held && held->gone(); });
    return gone.load();
  }));
  std::atomic<bool> released = false;
  server.workers()[0].post([&] {
    held.reset();
    released = true;
  });
  EXPECT_TRUE(wait_for([&] { return released.load(); }));
}

TEST_F(HttpClientTest, ASinkHoldsTheServerBack) {
  std::atomic<int> written = 0;
  TestServer server([&](std::unique_ptr<Exchange> exchange) {
    struct Writer {
      std::unique_ptr<Exchange> exchange;
      std::atomic<int>& written;
      static void next(std::shared_ptr<Writer> self) {
        self->exchange->write(std::string(100'000, 'x'), [self](Status status) {
          if (!status || ++self->written == 1000) {
            self->exchange->finish();
            self->exchange.reset();
            return;
          }
          next(self);
        });
      }
    };
    exchange->start(200, {});
    Writer::next(std::make_shared<Writer>(Writer{std::move(exchange), written}));
  });
  struct Slow final : ResponseSink {
    Slow(Completion<void>& resume, std::atomic<int>& pieces, std::atomic<bool>& over)
        : resume_(resume), pieces_(pieces), over_(over) {}
    void on_head(int, Headers) override {}
    void on_body(std::string_view, Completion<void> resume) override {
      if (pieces_++ > 0) return resume({});
      resume_ = std::move(resume);
    }
    void on_end(Headers) override { over_ = true; }
    void on_error(Error) override {}
    Completion<void>& resume_;
    std::atomic<int>& pieces_;
    std::atomic<bool>& over_;
  };
  Completion<void> resume;
  std::atomic<int> pieces = 0;
  std::atomic<bool> over = false;
  run([&] { client_->send(to(server.port()), std::make_unique<Slow>(resume, pieces, over)); });
  ASSERT_TRUE(wait_for([&] { return pieces == 1; }));
  // Nobody reads: the writer is stopped by what the kernel holds, far from its 100 MB.
  int before = -1;
  ASSERT_TRUE(wait_for([&] {
    for (int i = 0; i < 100; ++i) run([] {});
    return std::exchange(before, written.load()) == written.load() && before > 0;
  }));
  EXPECT_LT(written, 900);
  EXPECT_EQ(pieces, 1);
  run([&] { resume({}); });
  EXPECT_TRUE(wait_for([&] { return over.load(); }));
  EXPECT_EQ(written, 1000);
}

TEST_F(HttpClientTest, ClosesKeptConnectionsThatNobodyUses) {
  TestServer server(echo);
  ClientOptions options;
  options.idle_timeout = milliseconds(50);
  make_client(options);
  EXPECT_FALSE(send(to(server.port())).error);
  EXPECT_TRUE(wait_for([&] { return server.server().connections() == 0; }));
  EXPECT_EQ(idle(), 0u);
}

TEST_F(HttpClientTest, DestructionFailsWhatIsInFlight) {
  std::atomic<bool> arrived = false;
  std::unique_ptr<Exchange> held;
  TestServer server([&](std::unique_ptr<Exchange> exchange) {
    held = std::move(exchange);
    arrived = true;
  });
  std::future<Outcome> outcome = start(to(server.port()));
  ASSERT_TRUE(wait_for([&] { return arrived.load(); }));
  run([&] { client_.reset(); });
  EXPECT_EQ(outcome.get().error->code, Code::kCancelled);
  std::atomic<bool> released = false;
  server.workers()[0].post([&] {
    held.reset();
    released = true;
  });
  EXPECT_TRUE(wait_for([&] { return released.load(); }));
}

class TlsTest : public HttpClientTest {
 protected:
  static std::shared_ptr<boost::asio::ssl::context> serve_with(const Certificate& certificate) {
    auto context = std::make_shared<boost::asio::ssl::context>(boost::asio::ssl::context::tls_server);
    context->use_certificate_chain(boost::asio::buffer(certificate.certificate_pem));
    context->use_private_key(boost::asio::buffer(certificate.key_pem), boost::asio::ssl::context::pem);
    return context;
  }
  static ClientRequest secure(std::uint16_t port) {
    ClientRequest request = to(port);
    request.scheme = "https";
    return request;
  }
  const std::string ok_ = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret";
};

TEST_F(TlsTest, RefusesACertificateThatNobodyKnows) {
  ScriptedServer server({{ok_}}, serve_with(self_signed("IP:127.0.0.1")));
  const Outcome outcome = send(secure(server.port()));
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Code::kUnavailable);
  EXPECT_THAT(outcome.error->message, HasSubstr("127.0.0.1:" + std::to_string(server.port())));
  EXPECT_THAT(outcome.error->message, HasSubstr("self-signed"));
  EXPECT_EQ(server.requests(), "");
}

TEST_F(TlsTest, AcceptsOneOfAGivenAuthorityAndKeepsTheConnection) {
  const Certificate certificate = self_signed("IP:127.0.0.1");
  ScriptedServer server({{ok_, ok_}}, serve_with(certificate));
  ClientOptions options;
  options.ca_pem = certificate.certificate_pem;
  make_client(options);
  for (int i = 0; i < 2; ++i) {
    const Outcome outcome = send(secure(server.port()));
    ASSERT_FALSE(outcome.error) << outcome.error->message;
    EXPECT_EQ(outcome.body, "secret");
  }
  EXPECT_EQ(server.accepted(), 1);
}

TEST_F(TlsTest, RefusesACertificateOfAnotherHost) {
  const Certificate certificate = self_signed("DNS:elsewhere.example");
  ScriptedServer server({{ok_}}, serve_with(certificate));
  ClientOptions options;
  options.ca_pem = certificate.certificate_pem;
  make_client(options);
  EXPECT_TRUE(send(secure(server.port())).error.has_value());
  EXPECT_EQ(server.requests(), "");
}

TEST_F(TlsTest, RefusesAuthoritiesThatAreNotPem) {
  ClientOptions options;
  options.ca_pem = "not a certificate";
  make_client(options);
  ScriptedServer server({{ok_}});
  const Outcome outcome = send(secure(server.port()));
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace tandem::net
