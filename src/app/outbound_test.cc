// Outbound: what of a guest's own HTTP stays in the process, what leaves it, and what is refused.

#include "app/outbound.h"

#include "app/testing/test_guests.h"
#include "net/testing/handlers.h"

namespace tandem::app {
namespace {

using net::wait_for;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// The Dapr API's place: answers with what it was asked, or keeps the exchange.
class FakeApi final : public net::Handler {
 public:
  void handle(std::unique_ptr<net::Exchange> exchange) override {
    if (exchange->head().target == "/keep") {
      kept = std::move(exchange);
      ++keeps;
      return;
    }
    if (exchange->head().target == "/break") {
      exchange->start(200, {});
      exchange->write("half", [](Status) {});
      return exchange->abort();
    }
    std::string text(exchange->head().method);
    text.append(" ").append(exchange->head().authority).append(exchange->head().target);
    text += " app=" + exchange->context().app_id;
    for (const char* name : {"traceparent", "tracestate", "dapr-app-id"}) {
      if (const auto value = net::find_header(exchange->head().headers, name)) {
        text.append(" ").append(name).append("=").append(*value);
      }
    }
    const net::Header header{"x-api", "fake"};
    exchange->respond(201, net::Headers(&header, 1), text);
  }

  std::unique_ptr<net::Exchange> kept;
  std::atomic<int> keeps{0};
};

struct OutboundTest : ::testing::Test {
  ~OutboundTest() override {
    rig.on([&] { api.kept.reset(); });
  }
  GuestPool& guest(std::string_view script = "from-header") { return rig.pool(script, 0, 4, routes); }

  FakeApi api;
  config::OutboundHosts nobody;
  Rig rig;
  OutboundRoutes routes{.dapr_api = &api, .client = nullptr, .allowed = &nobody, .dapr_http_port = 3600};
};

TEST_F(OutboundTest, TheDaprPortOnALoopbackNameIsAnsweredInTheProcess) {
  GuestPool& pool = guest();
  for (const char* host : {"localhost:3600", "LOCALHOST:3600", "127.0.0.1:3600", "[::1]:3600", "localhost:3500"}) {
    const auto seen = rig.send(pool, std::string("call http://") + host + "/v1.0/state/s/k?x=1");
    EXPECT_EQ(seen->wait().status(), 201) << host;
    EXPECT_EQ(seen->body(), std::string("GET ") + host + "/v1.0/state/s/k?x=1 app=app");
    EXPECT_EQ(seen->header("x-api"), "fake");
  }
}

TEST_F(OutboundTest, AnAppIdInAHeaderIsForDaprWhereverItIsSent) {
  const auto seen = rig.send(guest(), "call http://orders.example/new Dapr-App-Id: orders");
  EXPECT_THAT(seen->wait().body(), HasSubstr("dapr-app-id=orders"));
  EXPECT_EQ(seen->status(), 201);
}

TEST_F(OutboundTest, WithoutAnApiNothingIsShort) {
  routes.dapr_api = nullptr;
  EXPECT_THAT(rig.send(guest(), "call http://localhost:3600/")->wait().body(), HasSubstr("allowedOutboundHosts"));
}

TEST_F(OutboundTest, ACallCarriesTheTraceOfTheCallThatItIsMadeIn) {
  GuestPool& pool = guest();
  const auto call = [&](std::string script) {
    TestRequest request{.script = std::move(script)};
    request.context.trace = {"00-11111111111111111111111111111111-2222222222222222-01", "a=b"};
    return rig.send(pool, std::move(request))->wait().body();
  };
  EXPECT_THAT(call("call http://localhost:3600/"),
              HasSubstr("traceparent=00-11111111111111111111111111111111-2222222222222222-01 tracestate=a=b"));
  // The guest's own comes first, and alone.
  EXPECT_THAT(call("call http://localhost:3600/ traceparent: mine"), ::testing::EndsWith("traceparent=mine"));
}

TEST_F(OutboundTest, WhatIsNotAllowedIsDenied) {
  GuestPool& pool = guest();
  const std::pair<const char*, std::string> cases[] = {
      {"http://example.com/", "wasi:http error 15"},
      {"https://localhost/", "wasi:http error 15"},
      {"http://localhost:80/", "wasi:http error 15"},
      {"http://[::1]/", "wasi:http error 15"},
      {"ftp://localhost:3600/", "wasi:http error 19"},
      {"http:///x", "wasi:http error 19"},
      {"http://localhost:/", "wasi:http error 19"},
      {"http://localhost:66000/", "wasi:http error 19"},
      {"http://localhost:3600x/", "wasi:http error 19"},
      {"http://::1:3600/", "wasi:http error 19"},
      {"http://[::1/", "wasi:http error 19"},
      {"http://[::1]3600/", "wasi:http error 19"},
      {"http://[]:3600/", "wasi:http error 19"},
      {"http://:3600/", "wasi:http error 19"},
  };
  for (const auto& [url, start] : cases) {
    EXPECT_THAT(rig.send(pool, std::string("call ") + url)->wait().body(), StartsWith(start)) << url;
  }
}

TEST_F(OutboundTest, AnAnswerThatBreaksOffIsNotComplete) {
  EXPECT_EQ(rig.send(guest(), "call http://localhost:3600/break")->wait().body(), "the answer broke off");
  // Nothing of it had left yet: a guest that passes it on gives no answer.
  EXPECT_EQ(rig.send(guest(), "relay http://localhost:3600/break")->wait().status(), 502);
}

TEST_F(OutboundTest, AnAbandonedCallIsCancelled) {
  const auto seen = rig.send(guest(), "abandon http://localhost:3600/keep; hello");
  EXPECT_EQ(seen->wait().body(), "hello");
  ASSERT_TRUE(wait_for([&] { return api.keeps == 1; }));
  // The API answers late: nobody is there, and the writer hears it.
  std::atomic<int> failed{0};
  rig.on([&] {
    api.kept->start(200, {});
    api.kept->write("late", [&](Status status) { failed += status ? 0 : 1; });
    api.kept->finish();
  });
  EXPECT_EQ(failed, 1);
}

TEST_F(OutboundTest, AnInstanceThatEndsLeavesItsCallsToThemselves) {
  rig.options.request_timeout = std::chrono::milliseconds(50);
  EXPECT_EQ(rig.send(guest("call http://localhost:3600/keep"), "")->wait().status(), 504);
  EXPECT_EQ(rig.gone(), 1);
  rig.on([&] { api.kept->respond(200, {}, "too late"); });
}

// ---- over a socket ----

struct OutboundSocketTest : OutboundTest {
  OutboundSocketTest()
      : outside([this](std::unique_ptr<net::Exchange> exchange) {
          if (exchange->head().target == "/keep") {
            ++kept;
            held = std::move(exchange);
            return;
          }
          net::echo(std::move(exchange));
        }),
        client(std::make_unique<net::HttpClient>(rig.workers[0])) {
    allow({"http://127.0.0.1:" + std::to_string(outside.port())});
    routes.client = client.get();
    routes.allowed = &allowed;
  }
  ~OutboundSocketTest() override {
    outside.workers().stop();
    held.reset();
    rig.on([&] { client.reset(); });
  }
  void allow(const std::vector<std::string>& entries) { allowed = *config::OutboundHosts::parse(entries); }
  std::string url(std::string_view path) const {
    return "http://127.0.0.1:" + std::to_string(outside.port()) + std::string(path);
  }

  std::unique_ptr<net::Exchange> held;
  std::atomic<int> kept{0};
  config::OutboundHosts allowed;
  net::TestServer outside;
  std::unique_ptr<net::HttpClient> client;
};

TEST_F(OutboundSocketTest, BothBodiesAreStreamed) {
  std::string body;
  while (body.size() < 500'000) body += std::to_string(body.size()) + " ";
  GuestPool& pool = guest("relay " + url("/"));
  const auto seen = rig.send(pool, TestRequest{.body = body});
  EXPECT_EQ(seen->wait().status(), 200);
  EXPECT_TRUE(seen->body() == body);
  EXPECT_EQ(seen->error(), "");
  EXPECT_EQ(rig.send(pool, TestRequest{.body = std::string()})->wait().body(), "");
}

TEST_F(OutboundSocketTest, LoopbackIsGrantedByItsName) {
  const std::string port = std::to_string(outside.port());
  allow({"http://localhost:*"});
  EXPECT_EQ(rig.send(guest(), "call http://localhost:" + port + "/")->wait().status(), 200);
  allow({"http://example.com:*"});
  EXPECT_THAT(rig.send(guest(), "call http://localhost:" + port + "/")->wait().body(),
              StartsWith("wasi:http error 15"));
}

TEST_F(OutboundSocketTest, ACallOfAnInstanceThatEndsIsCancelledOnTheWire) {
  rig.options.request_timeout = std::chrono::milliseconds(100);
  GuestPool& pool = guest();
  const auto seen = rig.send(pool, "relay " + url("/keep"));
  ASSERT_TRUE(wait_for([&] { return kept == 1; }));
  EXPECT_EQ(seen->wait().status(), 504);
  const auto gone = [&] {
    std::promise<bool> there;
    outside.workers()[0].post([&] { there.set_value(held->gone()); });
    return there.get_future().get();
  };
  EXPECT_TRUE(wait_for(gone));
  const auto abandoned = rig.send(pool, "abandon " + url("/keep") + "; hello");
  EXPECT_EQ(abandoned->wait().body(), "hello");
}

TEST_F(OutboundSocketTest, NobodyListensThere) {
  std::uint16_t port = 0;
  {
    net::TestServer gone([](std::unique_ptr<net::Exchange>) {});
    port = gone.port();
  }
  allow({"http://127.0.0.1:*"});
  const auto seen = rig.send(guest(), "call http://127.0.0.1:" + std::to_string(port) + "/");
  EXPECT_THAT(seen->wait().body(), StartsWith("wasi:http error 7"));
}

}  // namespace
}  // namespace tandem::app
