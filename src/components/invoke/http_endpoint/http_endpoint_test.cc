#include "components/invoke/http_endpoint/http_endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/ssl.hpp>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/in_process.h"
#include "net/testing/collecting_sink.h"
#include "net/testing/leaving_exchange.h"
#include "net/testing/scripted_server.h"

namespace tandem::components {
namespace {

using net::CollectingSink;
using net::Outcome;
using testing::HasSubstr;
using testing::Not;

// True once he has left.
using Caller = std::shared_ptr<const std::atomic<bool>>;

class HttpEndpointTest : public testing::Test {
 protected:
  HttpEndpointTest() { workers_.start(); }
  // The endpoints go when nothing runs on their workers any more.
  ~HttpEndpointTest() override { workers_.stop(); }

  HttpEndpoint& keep(HttpEndpointOptions options) {
    return *endpoints_.emplace_back(std::make_unique<HttpEndpoint>(workers_, std::move(options)));
  }
  Outcome call(HttpEndpoint& endpoint, net::OwnedRequest request, net::RequestBody body = std::string(),
               CallContext context = {}, Caller caller = std::make_shared<std::atomic<bool>>(false)) {
    std::promise<Outcome> promise;
    std::future<Outcome> future = promise.get_future();
    workers_[0].post([&endpoint, request = std::move(request), body = std::move(body), context = std::move(context),
                      caller = std::move(caller),
                      sink = std::make_unique<CollectingSink>(std::move(promise))]() mutable {
      endpoint.handler(0).handle(std::make_unique<net::LeavingExchange>(
          net::make_in_process_exchange(std::move(request), std::move(body), std::move(context), std::move(sink)),
          std::move(caller)));
    });
    return future.get();
  }
  static std::string at(const net::ScriptedServer& server, std::string_view path = "") {
    return "http://127.0.0.1:" + std::to_string(server.port()) + std::string(path);
  }

  net::Workers workers_{1};
  std::vector<std::unique_ptr<HttpEndpoint>> endpoints_;
};

constexpr char kOk[] =
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Answer: yes\r\nX-Private: 1\r\n"
    "Connection: close, X-Private\r\n\r\nok";

TEST_F(HttpEndpointTest, SendsTheRequestToTheBaseUrl) {
  net::ScriptedServer server({{kOk}});
  HttpEndpoint& endpoint =
      keep({.name = "weather", .headers = {{"Authorization", "Bearer of the operator"}, {"X-Key", "k"}}});
  const Outcome outcome = call(endpoint,
                               {.method = "POST",
                                .authority = at(server, "/v2"),
                                .target = "/today?city=Bern",
                                .headers = {{"X-Mine", "1"},
                                            {"Connection", "X-Private"},
                                            {"X-Private", "between us"},
                                            {"HTTP2-Settings", "AAMAAABk"},
                                            {"authorization", "Basic of the caller"},
                                            {"dapr-caller-app-id", "orders"},
                                            {"dapr-api-token", "secret"},
                                            {"traceparent", "00-a-b-01"}}},
                               std::string("body"));
  EXPECT_EQ(outcome.status, 200);
  EXPECT_EQ(outcome.body, "ok");
  EXPECT_THAT(outcome.headers, HasSubstr("X-Answer=yes"));
  EXPECT_THAT(outcome.headers, Not(HasSubstr("Connection")));
  EXPECT_THAT(outcome.headers, Not(HasSubstr("X-Private")));
  const std::string sent = server.requests();
  EXPECT_THAT(sent, testing::StartsWith("POST /v2/today?city=Bern HTTP/1.1\r\n"));
  EXPECT_THAT(sent, HasSubstr("Host: 127.0.0.1:" + std::to_string(server.port()) + "\r\n"));
  EXPECT_THAT(sent, HasSubstr("Authorization: Bearer of the operator\r\n"));
  EXPECT_THAT(sent, HasSubstr("X-Mine: 1\r\n"));
  EXPECT_THAT(sent, HasSubstr("X-Key: k\r\n"));
  EXPECT_THAT(sent, HasSubstr("traceparent: 00-a-b-01\r\n"));
  EXPECT_THAT(sent, HasSubstr("Content-Length: 4\r\n"));
  for (const char* kept : {"of the caller", "dapr-caller", "secret", "between us", "AAMAAABk"})
    EXPECT_THAT(sent, Not(HasSubstr(kept)));
}

TEST_F(HttpEndpointTest, AnEmptyMethodAddsNoSlash) {
  net::ScriptedServer server({{kOk}, {kOk}, {kOk}});
  HttpEndpoint& endpoint = keep({});
  for (const auto& [base, target] : {std::pair("/v2", "/"), std::pair("", "/"), std::pair("/v2", "/?x=1")}) {
    EXPECT_EQ(call(endpoint, {.authority = at(server, base), .target = target}).status, 200);
  }
  EXPECT_THAT(server.requests(), HasSubstr("GET /v2 HTTP/1.1"));
  EXPECT_THAT(server.requests(), HasSubstr("GET / HTTP/1.1"));
  EXPECT_THAT(server.requests(), HasSubstr("GET /v2?x=1 HTTP/1.1"));
}

TEST_F(HttpEndpointTest, AnswersPassAsTheyAre) {
  net::ScriptedServer server({{"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n"},
                              {"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno!\r\n0\r\n\r\n"}});
  HttpEndpoint& endpoint = keep({});
  const Outcome moved = call(endpoint, {.authority = at(server)});
  EXPECT_EQ(moved.status, 302);
  EXPECT_THAT(moved.headers, HasSubstr("Location=http://elsewhere/"));
  const Outcome broken = call(endpoint, {.authority = at(server)});
  EXPECT_EQ(broken.status, 503);
  EXPECT_EQ(broken.body, "no!");
}

TEST_F(HttpEndpointTest, ACallerThatLeavesEndsItsRequest) {
  // The first answer does not go on until the connection is closed; there is no second connection before.
  net::ScriptedServer server({{"HTTP/1.1 ", ""}, {kOk}});
  HttpEndpoint& endpoint = keep({});
  const auto gone = std::make_shared<std::atomic<bool>>(true);
  EXPECT_EQ(call(endpoint, {.authority = at(server)}, std::string(), {}, gone).status, 500);  // nobody hears it
  EXPECT_EQ(call(endpoint, {.authority = at(server)}).status, 200);
}

TEST_F(HttpEndpointTest, TheLengthOfAHeadIsTheCallees) {
  net::ScriptedServer server({{"HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n"}});
  HttpEndpoint& endpoint = keep({});
  const Outcome outcome = call(endpoint, {.method = "HEAD", .authority = at(server)});
  EXPECT_EQ(outcome.status, 200);
  EXPECT_EQ(outcome.headers, "Content-Length=42;");
}

TEST_F(HttpEndpointTest, FailsInDaprsWords) {
  std::uint16_t closed = 0;
  {
    closed = net::ScriptedServer({}).port();
  }
  HttpEndpoint& endpoint = keep({.name = "weather"});
  const Outcome down = call(endpoint, {.authority = "http://127.0.0.1:" + std::to_string(closed)});
  EXPECT_EQ(down.status, 500);
  EXPECT_THAT(down.body, testing::StartsWith(R"({"errorCode":"ERR_DIRECT_INVOKE","message":"failed to invoke, id: )"
                                             R"(weather, err: dial tcp 127.0.0.1:)"));
  for (const char* url : {"http://", "https://:80", "http://user:password@host", "http://host:port", "ftp://host"}) {
    const Outcome refused = call(endpoint, {.authority = url});
    EXPECT_EQ(refused.status, 500) << url;
    EXPECT_THAT(refused.body, HasSubstr("the URL is not one")) << url;
  }
  net::ScriptedServer cut({{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"}});
  const Outcome half = call(endpoint, {.authority = at(cut)});
  ASSERT_TRUE(half.error);
}

TEST_F(HttpEndpointTest, AGuestNeedsAGrantAndOthersDoNot) {
  net::ScriptedServer server({{kOk}, {kOk}});
  const std::string url = at(server);
  const config::OutboundHosts granted = config::OutboundHosts::parse(std::vector<std::string>{url}).value();
  HttpEndpoint& endpoint = keep({.guest_grants = [&](std::string_view app_id) -> const config::OutboundHosts* {
    return app_id == "granted" ? &granted : nullptr;
  }});
  const auto as = [&](std::string app_id, CallOrigin origin) {
    return call(endpoint, {.authority = url}, std::string(), {.app_id = std::move(app_id), .origin = origin});
  };
  const Outcome refused = as("other", CallOrigin::kGuest);
  EXPECT_EQ(refused.status, 500);
  EXPECT_THAT(refused.body, HasSubstr("the app does not allow this host: see allowedOutboundHosts"));
  EXPECT_EQ(server.accepted(), 0);
  EXPECT_EQ(as("granted", CallOrigin::kGuest).status, 200);
  EXPECT_EQ(as("other", CallOrigin::kDoor).status, 200);
}

TEST_F(HttpEndpointTest, ANameOfAGrantIsNoGrantOfAnInnerAddress) {
  const config::OutboundHosts granted =
      config::OutboundHosts::parse(std::vector<std::string>{"http://localhost.localdomain:*"}).value();
  HttpEndpoint& endpoint = keep({.guest_grants = [&](std::string_view) { return &granted; }});
  const Outcome outcome = call(endpoint, {.authority = "http://127.0.0.1:1"}, std::string(),
                               {.app_id = "guest", .origin = CallOrigin::kGuest});
  EXPECT_THAT(outcome.body, HasSubstr("does not allow"));
}

TEST_F(HttpEndpointTest, ClientTlsIsTheResources) {
  const net::Certificate certificate = net::self_signed("IP:127.0.0.1");
  const net::Certificate own = net::self_signed("DNS:client");
  namespace ssl = boost::asio::ssl;
  auto tls = std::make_shared<ssl::context>(ssl::context::tls_server);
  tls->use_certificate_chain(boost::asio::buffer(certificate.certificate_pem));
  tls->use_private_key(boost::asio::buffer(certificate.key_pem), ssl::context::pem);
  tls->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
  tls->add_certificate_authority(boost::asio::buffer(own.certificate_pem));
  net::ScriptedServer server({{}, {kOk}}, tls);
  const std::string url = "https://127.0.0.1:" + std::to_string(server.port());

  HttpEndpoint& stranger = keep({});
  EXPECT_THAT(call(stranger, {.authority = url}).body, HasSubstr("no TLS connection"));

  config::HttpEndpoint resource{.name = "bank", .base_url = url};
  resource.root_ca.value = certificate.certificate_pem;
  resource.certificate.value = own.certificate_pem;
  resource.private_key.value = own.key_pem;
  Result<std::unique_ptr<HttpEndpoint>> made = HttpEndpoint::make(workers_, resource);
  ASSERT_TRUE(made) << made.error().message;
  HttpEndpoint& endpoint = *endpoints_.emplace_back(std::move(*made));
  const Outcome outcome = call(endpoint, {.authority = url});
  EXPECT_EQ(outcome.status, 200) << outcome.body;

  resource.private_key.value = "no key";
  EXPECT_EQ(HttpEndpoint::make(workers_, resource).error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace tandem::components
