// The client over HTTP/2, against the server of this room and against scripted peers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <future>
#include <mutex>

#include "net/http_client.h"
#include "net/in_process.h"
#include "net/testing/client_fixture.h"
#include "net/testing/frames_server.h"
#include "net/testing/handlers.h"
#include "net/testing/http2_peer.h"
#include "net/testing/raw_client.h"
#include "net/testing/scripted_server.h"

namespace tandem::net {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// Takes one piece and asks for no more until it is told to.
class HoldingSink final : public ResponseSink {
 public:
  struct Seen {
    std::atomic<std::size_t> bytes = 0;
    std::atomic<bool> ended = false;
    Completion<void> resume;  // on the worker
  };
  explicit HoldingSink(Seen& seen) : seen_(seen) {}
  void on_head(int, Headers) override {}
  void on_body(std::string_view piece, Completion<void> resume) override {
    seen_.bytes += piece.size();
    if (released_) return resume({});
    seen_.resume = [this, resume = std::move(resume)](Status status) mutable {
      released_ = true;
      resume(std::move(status));
    };
  }
  void on_end(Headers) override { seen_.ended = true; }
  void on_error(Error) override {}

 private:
  Seen& seen_;
  bool released_ = false;
};

class Http2ClientTest : public ClientFixture {
 protected:
  static ClientRequest to(std::uint16_t port, std::string target = "/") {
    return request_to(ClientProtocol::kHttp2, port, std::move(target));
  }
};

void describe(std::unique_ptr<Exchange> exchange) {
  const std::string text = description_of(*exchange);
  const Header type{"Content-Type", "text/plain"};
  exchange->respond(200, {&type, 1}, text);
}

class Pieces final : public BodySource {
 public:
  Pieces(std::size_t count, std::size_t size) : left_(count), piece_(size, 'p') {}
  void read(Completion<std::string_view> done) override {
    done(left_ == 0 ? std::string_view() : (--left_, std::string_view(piece_)));
  }
  std::optional<std::string_view> take_whole() override { return std::nullopt; }
  Headers trailers() const override { return {&trailer_, 1}; }

 private:
  std::size_t left_;
  const std::string piece_;
  const Header trailer_{"X-Sum", "42"};
};

TEST_F(Http2ClientTest, SendsManyRequestsOverOneConnection) {
  TestServer server(describe, http2());
  std::vector<std::future<Outcome>> outcomes;
  for (int i = 0; i < 50; ++i) {
    ClientRequest request = to(server.port(), "/" + std::to_string(i));
    request.method = "POST";
    request.headers = {{"X-One", "1"}, {"Connection", "close"}, {"Expect", "100-continue"}};
    request.body = std::string("hello");
    outcomes.push_back(start(std::move(request)));
  }
  for (int i = 0; i < 50; ++i) {
    const Outcome outcome = wait(std::move(outcomes[static_cast<std::size_t>(i)]));
    ASSERT_FALSE(outcome.error) << outcome.error->message;
    EXPECT_EQ(outcome.status, 200);
    EXPECT_EQ(outcome.body, "POST http 127.0.0.1:" + std::to_string(server.port()) + " /" + std::to_string(i) +
                                " x-one=1;content-length=5; hello");
    EXPECT_THAT(outcome.headers, HasSubstr("content-type=text/plain;"));
  }
  EXPECT_EQ(server.server().connections(), 1u);
  EXPECT_EQ(idle(), 1u);
}

TEST_F(Http2ClientTest, StreamsBodiesBothWaysWithTrailers) {
  TestServer server(echo, http2());
  ClientRequest request = to(server.port());
  request.method = "POST";
  request.body = std::make_unique<Pieces>(100, 50'000);
  const Outcome outcome = send(std::move(request));
  ASSERT_FALSE(outcome.error) << outcome.error->message;
  EXPECT_EQ(outcome.body.size(), 5'000'000u);
  EXPECT_EQ(outcome.trailers, "x-sum=42;");
  ClientRequest large = to(server.port());
  large.method = "PUT";
  large.body = std::string(5'000'000, 'w');
  EXPECT_EQ(send(std::move(large)).body.size(), 5'000'000u);
}

TEST_F(Http2ClientTest, AStreamedBodyHasTheLengthThatItSays) {
  TestServer server(echo, http2());
  for (const auto& [length, fails] : {std::pair("100", false), {"99", true}, {"101", true}}) {
    ClientRequest request = to(server.port());
    request.method = "POST";
    request.headers = {{"Content-Length", length}};
    request.body = std::make_unique<Pieces>(10, 10);
    const Outcome outcome = send(std::move(request));
    EXPECT_EQ(outcome.error.has_value(), fails) << length;
    if (fails) EXPECT_EQ(outcome.error->code, Code::kInvalidArgument);
  }
}

TEST_F(Http2ClientTest, HoldsBackAPeerWhoseAnswerIsNotTaken) {
  std::atomic<std::size_t> written = 0;
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        if (exchange->head().target == "/other") return exchange->respond(200, {}, "other");
        auto held = std::make_shared<std::unique_ptr<Exchange>>(std::move(exchange));
        (*held)->start(200, {});
        auto more = std::make_shared<std::function<void(Status)>>();
        *more = [&, held, more](Status status) {
          if (!status || written == 4'000'000) {
            if (status) (*held)->finish({});
            held->reset();
            return;
          }
          written += 20'000;
          (*held)->write(std::string(20'000, 'x'), [more](Status next) { (*more)(std::move(next)); });
        };
        (*more)({});
      },
      http2());
  HoldingSink::Seen seen;
  run([&] { handle_ = client_->send(to(server.port()), std::make_unique<HoldingSink>(seen)); });
  ASSERT_TRUE(wait_for([&] { return seen.bytes > 0; }));
  EXPECT_EQ(send(to(server.port(), "/other")).body, "other");
  EXPECT_LT(written, 1'000'000u);
  run([&] { seen.resume({}); });
  EXPECT_TRUE(wait_for([&] { return seen.ended.load(); }));
  EXPECT_EQ(seen.bytes, 4'000'000u);
}

TEST_F(Http2ClientTest, MakesAnotherConnectionWhenOneIsFull) {
  std::mutex mutex;
  std::vector<std::unique_ptr<Exchange>> held;
  std::atomic<int> count = 0;
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        const std::scoped_lock lock(mutex);
        held.push_back(std::move(exchange));
        ++count;
      },
      http2());
  std::vector<std::future<Outcome>> outcomes;
  for (int i = 0; i < 300; ++i) outcomes.push_back(start(to(server.port())));
  EXPECT_TRUE(wait_for([&] { return count == 300; }));
  EXPECT_GE(server.server().connections(), 2u);
  EXPECT_LE(server.server().connections(), 4u);
  server.workers()[0].post([&] {
    for (auto& exchange : held) exchange->respond(200, {}, "ok");
    held.clear();
  });
  for (auto& outcome : outcomes) EXPECT_EQ(wait(std::move(outcome)).body, "ok");
}

TEST_F(Http2ClientTest, CancelResetsTheStream) {
  std::unique_ptr<Exchange> held;
  std::atomic<int> state = 0;
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        if (exchange->head().target == "/next") return exchange->respond(200, {}, "next");
        held = std::move(exchange);
        held->start(200, {});
        held->write("first", [](Status) {});
        state = 1;
      },
      http2());
  HoldingSink::Seen seen;
  run([&] { handle_ = client_->send(to(server.port()), std::make_unique<HoldingSink>(seen)); });
  ASSERT_TRUE(wait_for([&] { return seen.bytes > 0; }));
  run([&] { handle_.cancel(); });
  EXPECT_EQ(send(to(server.port(), "/next")).body, "next");
  server.workers()[0].post([&] {
    state = held->gone() ? 2 : 3;
    held.reset();
  });
  EXPECT_TRUE(wait_for([&] { return state >= 2; }));
  EXPECT_EQ(state, 2);
  EXPECT_EQ(server.server().connections(), 1u);
}

TEST_F(Http2ClientTest, TimesOut) {
  std::unique_ptr<Exchange> held;
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        const bool starts = exchange->head().target == "/starts";
        held = std::move(exchange);
        if (starts) {
          held->start(200, {});
          held->write("part", [](Status) {});
        }
      },
      http2());
  ClientRequest silent = to(server.port());
  silent.first_byte_timeout = milliseconds(100);
  Outcome outcome = send(std::move(silent));
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Code::kDeadlineExceeded);
  EXPECT_THAT(outcome.error->message, HasSubstr("did not answer within 100 ms"));
  ClientRequest stops = to(server.port(), "/starts");
  stops.between_bytes_timeout = milliseconds(100);
  outcome = send(std::move(stops));
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Code::kDeadlineExceeded);
  EXPECT_EQ(outcome.body, "part");
  std::atomic<bool> released = false;
  server.workers()[0].post([&] {
    held.reset();
    released = true;
  });
  EXPECT_TRUE(wait_for([&] { return released.load(); }));
}

TEST_F(Http2ClientTest, SaysWhatIsWrongWithThePeer) {
  std::uint16_t free_port = 0;
  {
    TestServer gone(describe);
    free_port = gone.port();
  }
  Outcome outcome = send(to(free_port));
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Code::kUnavailable);
  EXPECT_THAT(outcome.error->message, HasSubstr("dial tcp 127.0.0.1:"));

  TestServer old(describe);  // HTTP/1.1 alone
  outcome = send(to(old.port()));
  ASSERT_TRUE(outcome.error);
  EXPECT_THAT(outcome.error->message, HasSubstr("127.0.0.1:" + std::to_string(old.port())));

  TestServer cuts([](std::unique_ptr<Exchange> exchange) { exchange->abort(); }, http2());
  outcome = send(to(cuts.port()));
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Code::kUnavailable);
  EXPECT_THAT(outcome.error->message, HasSubstr("INTERNAL_ERROR"));

  ClientRequest forbidden = to(cuts.port());
  forbidden.address_filter = [](std::string_view, std::uint16_t) { return false; };
  outcome = send(std::move(forbidden));
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Code::kPermissionDenied);

  ClientRequest invalid = to(cuts.port(), "no path");
  outcome = send(std::move(invalid));
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Code::kInvalidArgument);
}

TEST_F(Http2ClientTest, HeadsAndEmptyAnswersHaveNoBody) {
  TestServer server(
      [](std::unique_ptr<Exchange> exchange) {
        exchange->respond(exchange->head().target == "/204" ? 204 : 200, {}, "body");
      },
      http2());
  ClientRequest head = to(server.port());
  head.method = "HEAD";
  Outcome outcome = send(std::move(head));
  ASSERT_FALSE(outcome.error) << outcome.error->message;
  EXPECT_EQ(outcome.body, "");
  EXPECT_THAT(outcome.headers, HasSubstr("content-length=4;"));
  EXPECT_EQ(send(to(server.port(), "/204")).status, 204);
}

TEST_F(Http2ClientTest, DestructionFailsWhatIsInFlight) {
  std::atomic<bool> arrived = false;
  std::unique_ptr<Exchange> held;
  TestServer server(
      [&](std::unique_ptr<Exchange> exchange) {
        held = std::move(exchange);
        arrived = true;
      },
      http2());
  std::future<Outcome> outcome = start(to(server.port()));
  ASSERT_TRUE(wait_for([&] { return arrived.load(); }));
  run([&] { client_.reset(); });
  EXPECT_EQ(outcome.get().error->code, Code::kCancelled);
  EXPECT_TRUE(wait_for([&] { return server.server().connections() == 0; }));
  std::atomic<bool> released = false;
  server.workers()[0].post([&] {
    held.reset();
    released = true;
  });
  EXPECT_TRUE(wait_for([&] { return released.load(); }));
}

std::string settings() { return http2_frame(NGHTTP2_SETTINGS, 0, 0, ""); }
std::string answer(std::string_view body, std::uint32_t id = 1) {
  return http2_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, id, http2_block({{":status", "200"}})) +
         http2_frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, id, body);
}
const std::string kGoaway = http2_frame(NGHTTP2_GOAWAY, 0, 0, std::string_view("\0\0\0\0\0\0\0\0", 8));
const std::string kRefuse = http2_frame(NGHTTP2_RST_STREAM, 0, 1, std::string_view("\0\0\0\7", 4));

TEST_F(Http2ClientTest, SendsAgainWhatThePeerHasNotBegun) {
  const auto once = [&](std::uint16_t port) {
    ClientRequest request = to(port);
    request.method = "POST";
    request.body = std::string("once");
    return send(std::move(request));
  };
  FramesServer leaves({{settings() + kGoaway}, {settings() + answer("elsewhere")}});
  Outcome outcome = once(leaves.port());
  ASSERT_FALSE(outcome.error) << outcome.error->message;
  EXPECT_EQ(outcome.body, "elsewhere");
  EXPECT_EQ(leaves.accepted(), 2);

  FramesServer refuses({{settings() + kRefuse, answer("again", 3)}});
  outcome = once(refuses.port());
  ASSERT_FALSE(outcome.error) << outcome.error->message;
  EXPECT_EQ(outcome.body, "again");
  EXPECT_EQ(refuses.accepted(), 1);

  const std::string always = http2_frame(NGHTTP2_RST_STREAM, 0, 3, std::string_view("\0\0\0\7", 4));
  const std::string last = http2_frame(NGHTTP2_RST_STREAM, 0, 5, std::string_view("\0\0\0\7", 4));
  FramesServer never({{settings() + kRefuse, always, last}});
  outcome = once(never.port());
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Code::kUnavailable);
  EXPECT_THAT(outcome.error->message, HasSubstr("REFUSED_STREAM"));
}

TEST_F(Http2ClientTest, AnswersThatAreNotValidAreErrors) {
  const std::uint8_t end = NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS;
  const std::vector<std::string> all{
      http2_frame(NGHTTP2_HEADERS, end, 1, http2_block({{"x", "y"}})),
      http2_frame(NGHTTP2_HEADERS, end, 1, http2_block({{":status", "abc"}})),
      http2_frame(NGHTTP2_HEADERS, end, 1, http2_block({{":status", "200"}, {"connection", "close"}})),
      http2_frame(NGHTTP2_HEADERS, end, 1, http2_block({{":status", "200"}, {"content-length", "5"}})),
      http2_frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "early"),
      http2_frame(NGHTTP2_HEADERS, end, 1, "\xff\xff\xff\xff"),
      "HTTP/1.1 400 Bad Request\r\n\r\n",
  };
  for (std::size_t i = 0; i < all.size(); ++i) {
    make_client({});
    FramesServer server({{settings() + all[i]}});
    const Outcome outcome = send(to(server.port()));
    ASSERT_TRUE(outcome.error) << i;
    EXPECT_NE(outcome.error->code, Code::kUnknown) << i << outcome.error->message;
  }
}

TEST_F(Http2ClientTest, ALargeHeadIsRefused) {
  ClientOptions options;
  options.max_head_bytes = 1000;
  make_client(options);
  TestServer server(
      [](std::unique_ptr<Exchange> exchange) {
        const std::string value(1000, 'x');
        const Header large{"X", value};
        exchange->respond(200, {&large, 1}, {});
      },
      http2());
  const Outcome outcome = send(to(server.port()));
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Code::kInternal);
}

// ALPN, and a certificate that nobody vouches for.
TEST_F(Http2ClientTest, SpeaksTlsWithOrWithoutVerifying) {
  const auto context = std::make_shared<boost::asio::ssl::context>(boost::asio::ssl::context::tls_server);
  const Certificate certificate = self_signed("IP:127.0.0.1");
  context->use_certificate_chain(boost::asio::buffer(certificate.certificate_pem));
  context->use_private_key(boost::asio::buffer(certificate.key_pem), boost::asio::ssl::context::pem);
  const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret";
  {
    const auto both = std::make_shared<boost::asio::ssl::context>(boost::asio::ssl::context::tls_server);
    both->use_certificate_chain(boost::asio::buffer(certificate.certificate_pem));
    both->use_private_key(boost::asio::buffer(certificate.key_pem), boost::asio::ssl::context::pem);
    SSL_CTX_set_alpn_select_cb(
        both->native_handle(),
        [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered, unsigned int, void*) {
          *out = offered + 1;  // the client's first choice
          *size = offered[0];
          return SSL_TLSEXT_ERR_OK;
        },
        nullptr);
    FramesServer server({{settings() + answer("secret")}}, both);
    ClientRequest request = to(server.port());
    request.scheme = "https";
    request.verify = ClientVerify::kNothing;
    const Outcome outcome = send(std::move(request));
    ASSERT_FALSE(outcome.error) << outcome.error->message;
    EXPECT_EQ(outcome.body, "secret");
  }
  {
    ScriptedServer server({{ok}}, context);
    ClientRequest request = to(server.port());
    request.scheme = "https";
    request.protocol = ClientProtocol::kHttp1;
    request.verify = ClientVerify::kNothing;
    EXPECT_EQ(send(std::move(request)).body, "secret");
  }
  {
    ScriptedServer server({{ok}}, context);
    ClientRequest request = to(server.port());
    request.scheme = "https";
    request.verify = ClientVerify::kNothing;
    const Outcome outcome = send(std::move(request));
    ASSERT_TRUE(outcome.error);
    EXPECT_THAT(outcome.error->message, HasSubstr("does not speak HTTP/2"));
  }
  {
    ScriptedServer server({{ok}}, context);
    ClientRequest request = to(server.port());
    request.scheme = "https";
    const Outcome outcome = send(std::move(request));
    ASSERT_TRUE(outcome.error);
    EXPECT_THAT(outcome.error->message, HasSubstr("self-signed"));
  }
}

}  // namespace
}  // namespace tandem::net
