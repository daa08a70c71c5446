#include "net/held_sockets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "net/http_server.h"
#include "net/listening_socket.h"
#include "net/testing/raw_client.h"

namespace tandem::net {
namespace {

class SaysWho final : public Handler {
 public:
  explicit SaysWho(std::string who) : who_(std::move(who)) {}
  void handle(std::unique_ptr<Exchange> exchange) override { exchange->respond(200, {}, who_); }

 private:
  const std::string who_;
};

Result<std::unique_ptr<HttpServer>> listen(Workers& workers, Handler& handler, std::uint16_t port) {
  return HttpServer::listen(workers, {.port = port, .purpose = "a test"}, [&](Worker&) -> Handler& { return handler; });
}

std::string ask(std::uint16_t port) {
  RawClient client(port);
  client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  return client.read_to_end();
}

TEST(HeldSocketsTest, ASecondServerTakesThePlaceWhileTheFirstOneServes) {
  HeldSockets held;
  Workers first_workers(1);
  Workers second_workers(1);
  held.attach(first_workers);
  held.attach(second_workers);
  SaysWho first("first");
  SaysWho second("second");
  auto one = listen(first_workers, first, 0);
  ASSERT_TRUE(one) << one.error().message;
  const std::uint16_t port = (*one)->port();
  first_workers.start();
  EXPECT_THAT(ask(port), testing::HasSubstr("first"));

  auto other = listen(second_workers, second, port);
  ASSERT_TRUE(other) << other.error().message;
  EXPECT_EQ((*other)->port(), port);
  // Connections that nobody has accepted wait for whoever does.
  one->reset();
  first_workers.stop();
  RawClient early(port);
  early.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  second_workers.start();
  EXPECT_THAT(early.read_to_end(), testing::HasSubstr("second"));
  EXPECT_THAT(ask(port), testing::HasSubstr("second"));
  other->reset();
  second_workers.stop();
}

TEST(HeldSocketsTest, AUnixSocketIsHandedOnWithItsFile) {
  char pattern[] = "/tmp/tandem-held-XXXXXX";
  const std::filesystem::path folder = ::mkdtemp(pattern);
  const std::string path = folder / "x.socket";
  const auto listen_there = [&](Workers& workers) {
    return open_listeners(workers[0].io(), {.unix_socket = path, .purpose = "a test"});
  };
  HeldSockets held;
  Workers one(1), two(1), strangers(1);
  held.attach(one);
  held.attach(two);
  auto first = listen_there(one);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(listen_there(strangers).error().code, Code::kAlreadyExists);
  // One that takes the place and goes leaves everything as it was.
  EXPECT_TRUE(listen_there(two));
  EXPECT_TRUE(std::filesystem::exists(path));
  auto second = listen_there(two);
  ASSERT_TRUE(second) << second.error().message;
  first = fail(Code::kCancelled, "gone");
  EXPECT_TRUE(std::filesystem::exists(path));
  // A file that somebody has removed is made anew, with a socket behind it.
  std::filesystem::remove(path);
  auto third = listen_there(one);
  ASSERT_TRUE(third) << third.error().message;
  EXPECT_EQ(listen_there(strangers).error().code, Code::kAlreadyExists);
  second = fail(Code::kCancelled, "gone");
  EXPECT_TRUE(std::filesystem::exists(path)) << "it is no longer the second one's";
  auto fourth = listen_there(two);
  EXPECT_TRUE(fourth) << "the new socket is kept";
  third = fail(Code::kCancelled, "gone");
  held.release();
  EXPECT_TRUE(std::filesystem::exists(path));
  fourth = fail(Code::kCancelled, "gone");
  EXPECT_FALSE(std::filesystem::exists(path));
  std::filesystem::remove_all(folder);
}

TEST(HeldSocketsTest, WhatIsReleasedIsClosedAndWhatIsNotAttachedIsRefused) {
  HeldSockets held;
  Workers workers(1);
  Workers strangers(1);
  held.attach(workers);
  SaysWho handler("x");
  auto server = listen(workers, handler, 0);
  ASSERT_TRUE(server);
  const std::uint16_t port = (*server)->port();
  EXPECT_EQ(listen(strangers, handler, port).error().code, Code::kAlreadyExists);
  server->reset();
  EXPECT_EQ(listen(strangers, handler, port).error().code, Code::kAlreadyExists);
  held.release();
  EXPECT_TRUE(listen(strangers, handler, port));
}

}  // namespace
}  // namespace tandem::net
