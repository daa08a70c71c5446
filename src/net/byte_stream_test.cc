#include "net/byte_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "net/testing/scripted_server.h"

namespace tandem::net {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// A stream on a worker; everything that is heard from it, and why it ended.
class Conversation final : public ByteStream::Listener {
 public:
  Conversation(StreamTarget target, std::string greeting, milliseconds silence_limit = milliseconds(0))
      : workers_(1), greeting_(std::move(greeting)) {
    workers_.start();
    workers_[0].post([this, target = std::move(target), silence_limit]() mutable {
      stream_ = std::make_unique<ByteStream>(workers_[0], std::move(target), *this);
      stream_->expect_bytes_within(silence_limit);
      stream_->write(greeting_);
    });
  }
  ~Conversation() { workers_.stop(); }

  // Waits for the end.
  Error error() {
    std::future<Error> over = over_.get_future();
    if (over.wait_for(std::chrono::seconds(10)) != std::future_status::ready) {
      return make_error(Code::kUnknown, "it does not end");
    }
    return over.get();
  }
  const std::string& heard() const { return heard_; }
  bool opened() const { return opened_; }

 private:
  void on_open() override { opened_ = true; }
  void on_bytes(std::string_view bytes) override { heard_.append(bytes); }
  void on_closed(const Error& error) override {
    stream_.reset();
    over_.set_value(error);
  }

  Workers workers_;
  const std::string greeting_;
  std::unique_ptr<ByteStream> stream_;
  bool opened_ = false;
  std::string heard_;
  std::promise<Error> over_;
};

constexpr char kGreeting[] = "hello\r\n\r\n";

std::shared_ptr<boost::asio::ssl::context> server_tls(const Certificate& certificate) {
  auto context = std::make_shared<boost::asio::ssl::context>(boost::asio::ssl::context::tls_server);
  context->use_certificate_chain(boost::asio::buffer(certificate.certificate_pem));
  context->use_private_key(boost::asio::buffer(certificate.key_pem), boost::asio::ssl::context::pem);
  return context;
}

TEST(ByteStreamTest, CarriesBytesBothWays) {
  const ScriptedServer server({{std::string(200'000, 'x')}});
  // The name may have an IPv6 address too, at which nobody listens.
  Conversation talk({.host = "localhost", .port = server.port()}, kGreeting);
  const Error end = talk.error();
  EXPECT_EQ(end.code, Code::kUnavailable);
  EXPECT_EQ(end.message, "localhost:" + std::to_string(server.port()) + " has closed the connection");
  EXPECT_TRUE(talk.opened());
  EXPECT_EQ(talk.heard(), std::string(200'000, 'x'));
  EXPECT_EQ(server.requests(), kGreeting);
}

TEST(ByteStreamTest, SpeaksTlsWithWhomItTrusts) {
  const Certificate certificate = self_signed("DNS:localhost");
  const ScriptedServer server({{"one"}, {"two"}, {"three"}}, server_tls(certificate));
  const auto trusting = TlsClient::make({.ca_pem = certificate.certificate_pem}).value();
  Conversation good({.host = "localhost", .port = server.port(), .tls = trusting}, kGreeting);
  good.error();
  EXPECT_EQ(good.heard(), "one");
  Conversation other_name({.host = "127.0.0.1", .port = server.port(), .tls = trusting}, kGreeting);
  EXPECT_THAT(other_name.error().message, HasSubstr("its certificate is refused"));
  Conversation stranger({.host = "localhost", .port = server.port(), .tls = TlsClient::make({}).value()}, kGreeting);
  EXPECT_THAT(stranger.error().message, HasSubstr("its certificate is refused"));
  EXPECT_FALSE(stranger.opened());
}

TEST(ByteStreamTest, WhatCannotBeReachedIsNamed) {
  Conversation nowhere({.host = "no-such-host.invalid", .port = 1}, kGreeting);
  EXPECT_THAT(nowhere.error().message, HasSubstr("no-such-host.invalid:1: cannot resolve no-such-host.invalid: "));
  std::uint16_t port = 0;
  {
    const ScriptedServer gone({});
    port = gone.port();
  }
  Conversation refused({.host = "::1", .port = port}, kGreeting);
  EXPECT_THAT(refused.error().message, HasSubstr("cannot connect to [::1]:" + std::to_string(port) + ": "));
  Conversation nothing({.host = "", .port = 1}, kGreeting);
  EXPECT_EQ(nothing.error().code, Code::kInvalidArgument);
}

TEST(ByteStreamTest, SilenceHasALimit) {
  const ScriptedServer server({{"never asked for", "for the second greeting"}});
  Conversation talk({.host = "127.0.0.1", .port = server.port()}, "half a greeting", milliseconds(200));
  const Error end = talk.error();
  EXPECT_EQ(end.code, Code::kDeadlineExceeded);
  EXPECT_THAT(end.message, HasSubstr("no answer in time from 127.0.0.1:"));
}

TEST(ByteStreamTest, ConnectingHasALimit) {
  // TLS with a server that never says anything.
  const ScriptedServer server({{"never asked for"}});
  Conversation talk({.host = "127.0.0.1",
                     .port = server.port(),
                     .tls = TlsClient::make({}).value(),
                     .connect_timeout = milliseconds(200)},
                    "");
  EXPECT_THAT(talk.error().message, HasSubstr("no connection in time to 127.0.0.1:"));
}

TEST(TlsClientTest, RefusesWhatIsNotPem) {
  EXPECT_THAT(TlsClient::make({.ca_pem = "x"}).error().message, HasSubstr("authorities"));
  EXPECT_THAT(TlsClient::make({.certificate_pem = "x", .key_pem = "x"}).error().message, HasSubstr("certificate"));
  EXPECT_THAT(TlsClient::make({.certificate_pem = "x"}).error().message, HasSubstr("needs its key"));
  const Certificate one = self_signed("DNS:a");
  const Certificate two = self_signed("DNS:b");
  EXPECT_FALSE(TlsClient::make({.certificate_pem = one.certificate_pem, .key_pem = two.key_pem}));
  EXPECT_TRUE(TlsClient::make({.certificate_pem = one.certificate_pem, .key_pem = one.key_pem}));
}

}  // namespace
}  // namespace tandem::net
