#include "components/bindings/http/http_binding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/ssl.hpp>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "components/catalog.h"
#include "config/resource_loader.h"
#include "net/testing/scripted_server.h"

namespace tandem::components {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kOk[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Answer: yes\r\nConnection: close\r\n\r\nok";

class HttpBindingTest : public testing::Test {
 protected:
  HttpBindingTest() { workers_.start(); }
  ~HttpBindingTest() override {
    workers_.stop();
    bindings_.clear();  // their clients go when nothing runs on the workers any more
  }

  // The binding that invoke() calls from now on.
  void make(HttpBindingOptions options) {
    bindings_.push_back(std::make_unique<HttpBinding>(std::move(options), workers_));
  }
  Result<bindings::InvokeAnswer> invoke(bindings::InvokeRequest request, CallContext context = {}) {
    std::promise<Result<bindings::InvokeAnswer>> promise;
    bindings_.back()->invoke(context, std::move(request),
                             [&](Result<bindings::InvokeAnswer> answer) { promise.set_value(std::move(answer)); });
    return promise.get_future().get();
  }
  static std::string at(const net::ScriptedServer& server, std::string_view path = "") {
    return "http://127.0.0.1:" + std::to_string(server.port()) + std::string(path);
  }
  static std::string redirect(std::string_view location, std::string_view status = "302 Found") {
    return "HTTP/1.1 " + std::string(status) + "\r\nLocation: " + std::string(location) +
           "\r\nContent-Length: 3\r\nConnection: close\r\n\r\nold";
  }

  net::Workers workers_{2};
  std::vector<std::unique_ptr<HttpBinding>> bindings_;
};

TEST_F(HttpBindingTest, SendsTheRequestAndTellsTheAnswer) {
  net::ScriptedServer server({{kOk}});
  make({.url = at(server, "/v2"), .security_token = "t", .security_token_header = "X-Token"});
  const auto answer =
      invoke({.operation = "create", .data = "{\"a\":1}", .metadata = {{"path", "orders"}, {"X-Mine", "1"}}});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(*answer->data, "ok");
  EXPECT_FALSE(answer->failure);
  EXPECT_EQ(answer->metadata.at("statusCode"), "200");
  EXPECT_EQ(answer->metadata.at("status"), "200 OK");
  EXPECT_EQ(answer->metadata.at("X-Answer"), "yes");
  const std::string sent = server.requests();
  EXPECT_THAT(sent, StartsWith("POST /v2/orders HTTP/1.1\r\n"));
  EXPECT_THAT(sent, HasSubstr("Content-Length: 7\r\n"));
  EXPECT_THAT(sent, HasSubstr("X-Mine: 1\r\n"));
  EXPECT_THAT(sent, HasSubstr("X-Token: t\r\n"));
}

TEST_F(HttpBindingTest, AStatusIsAnErrorWithMetadata) {
  const std::string missing = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngone";
  net::ScriptedServer server({{missing}, {missing}});
  make({.url = at(server)});
  const auto refused = invoke({.operation = "get"});
  ASSERT_TRUE(refused);
  ASSERT_TRUE(refused->failure);
  EXPECT_EQ(refused->failure->message, "received status code 404");
  EXPECT_EQ(refused->metadata.at("statusCode"), "404");
  const auto taken = invoke({.operation = "get", .metadata = {{"errorIfNot2XX", "false"}}});
  ASSERT_TRUE(taken);
  EXPECT_FALSE(taken->failure);
  EXPECT_EQ(*taken->data, "gone");
}

TEST_F(HttpBindingTest, AHeadHasNoBody) {
  net::ScriptedServer server({{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"}});
  make({.url = at(server)});
  const auto answer = invoke({.operation = "head"});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(*answer->data, "");
  EXPECT_EQ(answer->metadata.at("Content-Length"), "2");
}

TEST_F(HttpBindingTest, FollowsRedirections) {
  net::ScriptedServer server({{redirect("/second")}, {redirect("third", "307 Temporary Redirect")}, {kOk}});
  make({.url = at(server, "/first")});
  const auto answer = invoke({.operation = "post", .data = "1"});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(*answer->data, "ok");
  EXPECT_THAT(server.requests(), HasSubstr("GET /second HTTP/1.1"));
  EXPECT_THAT(server.requests(), HasSubstr("GET /third HTTP/1.1"));
}

TEST_F(HttpBindingTest, GivesUpAfterTenRedirections) {
  std::vector<net::ScriptedServer::Script> scripts;
  for (int i = 0; i < 11; ++i) scripts.push_back({redirect("/again")});
  net::ScriptedServer server(std::move(scripts));
  make({.url = at(server)});
  const auto answer = invoke({.operation = "get"});
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("stopped after 10 redirects"));
  EXPECT_EQ(server.accepted(), 11);
}

TEST_F(HttpBindingTest, CutsAnAnswerOffAtItsLimit) {
  const std::string large =
      "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n" + std::string(1000, 'x');
  net::ScriptedServer server({{large}, {large}});
  make({.url = at(server), .max_response_bytes = 10});
  EXPECT_EQ(*invoke({.operation = "get"})->data, "xxxxxxxxxx");
  make({.url = at(server), .max_response_bytes = std::nullopt});
  EXPECT_EQ(invoke({.operation = "get"})->data->size(), 1000u);
}

TEST_F(HttpBindingTest, AnAnswerHasItsTime) {
  // The first connection is accepted, and its request never answered.
  boost::asio::io_context io;
  boost::asio::ip::tcp::acceptor silent(io, {boost::asio::ip::address_v4::loopback(), 0});
  const std::string url = "http://127.0.0.1:" + std::to_string(silent.local_endpoint().port());
  make({.url = url, .response_timeout = std::chrono::milliseconds(50)});
  const auto late = invoke({.operation = "get", .metadata = {{"path", "slow"}}});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::kDeadlineExceeded);
  EXPECT_EQ(late.error().message, "Get \"" + url + "/slow\": context deadline exceeded");
  make({.url = url});
  CallContext context;
  context.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  EXPECT_EQ(invoke({.operation = "get"}, context).error().code, Code::kDeadlineExceeded);
}

TEST_F(HttpBindingTest, ATakenDownServerIsAnError) {
  make({.url = "http://127.0.0.1:1/"});
  const auto answer = invoke({.operation = "put", .data = "1"});
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, StartsWith("Put \"http://127.0.0.1:1/\": "));
}

TEST_F(HttpBindingTest, TrustsItsAuthorityAndShowsItsCertificate) {
  const net::Certificate certificate = net::self_signed("IP:127.0.0.1");
  const net::Certificate own = net::self_signed("DNS:client");
  auto tls = std::make_shared<boost::asio::ssl::context>(boost::asio::ssl::context::tls_server);
  tls->use_certificate_chain(boost::asio::buffer(certificate.certificate_pem));
  tls->use_private_key(boost::asio::buffer(certificate.key_pem), boost::asio::ssl::context::pem);
  tls->set_verify_mode(boost::asio::ssl::verify_peer | boost::asio::ssl::verify_fail_if_no_peer_cert);
  tls->add_certificate_authority(boost::asio::buffer(own.certificate_pem));
  net::ScriptedServer server({{kOk}}, tls);
  HttpBindingOptions options{.url = "https://127.0.0.1:" + std::to_string(server.port())};
  options.tls =
      net::TlsClient::make(
          {.ca_pem = certificate.certificate_pem, .certificate_pem = own.certificate_pem, .key_pem = own.key_pem})
          .value();
  make(std::move(options));
  const auto answer = invoke({.operation = "get"});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(*answer->data, "ok");
}

// A component of YAML, through the catalog.
class HttpBindingYaml : public testing::Test {
 protected:
  Result<HttpBindingOptions> read(const std::string& metadata) {
    config::Resources resources;
    config::Diagnostics diagnostics;
    config::parse_resources(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: web}\nspec:\n  type: bindings.http\n"
        "  version: v1\n  metadata:\n" +
            metadata,
        "test.yaml", resources, diagnostics);
    const Catalog catalog = Catalog::load().value();
    const config::MetadataReader reader =
        config::check(resources.components.at(0), *catalog.find("bindings.http", "v1"), diagnostics);
    if (diagnostics.has_errors()) return fail(Code::kInvalidArgument, diagnostics.to_string());
    return read_http_binding_options(reader);
  }
};

TEST_F(HttpBindingYaml, HasDaprsDefaults) {
  const auto options = read("  - {name: url, value: 'http://host/'}\n");
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->url, "http://host/");
  EXPECT_EQ(options->response_timeout, std::nullopt);
  EXPECT_EQ(options->max_response_bytes, std::uint64_t{100} << 20);
  EXPECT_TRUE(options->error_if_not_2xx);
  EXPECT_EQ(options->tls, nullptr);
}

TEST_F(HttpBindingYaml, TakesWhatIsWritten) {
  const auto options = read(
      "  - {name: url, value: 'http://host/'}\n  - {name: responseTimeout, value: 1500ms}\n"
      "  - {name: maxResponseBodySize, value: 10Ki}\n  - {name: errorIfNot2XX, value: 'false'}\n"
      "  - {name: securityToken, value: t}\n  - {name: securityTokenHeader, value: X-T}\n");
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->response_timeout, std::chrono::milliseconds(1500));
  EXPECT_EQ(options->max_response_bytes, 10u * 1024);
  EXPECT_FALSE(options->error_if_not_2xx);
  EXPECT_EQ(options->security_token, "t");
  for (const char* none : {"'-1'", "'0'"}) {
    EXPECT_EQ(
        read("  - {name: url, value: 'http://h'}\n  - {name: maxResponseBodySize, value: " + std::string(none) + "}\n")
            ->max_response_bytes,
        std::nullopt);
  }
}

TEST_F(HttpBindingYaml, SaysWhatIsWrong) {
  struct Case {
    const char* metadata;
    const char* why;
  };
  const std::string url = "  - {name: url, value: 'http://host/'}\n";
  EXPECT_THAT(read("  []\n").error().message, HasSubstr("url"));
  EXPECT_THAT(read("  - {name: url, value: 'ftp://host/'}\n").error().message, HasSubstr("url: not a URL"));
  for (const Case& one : {
           Case{"  - {name: responseTimeout, value: soon}\n", "responseTimeout"},
           Case{"  - {name: responseTimeout, value: 0s}\n", "responseTimeout: must be above zero"},
           Case{"  - {name: maxResponseBodySize, value: much}\n", "maxResponseBodySize"},
           Case{"  - {name: MTLSRootCA, value: /no/where}\n", "MTLSRootCA: neither PEM nor the path of a PEM file"},
           Case{"  - {name: MTLSRenegotiation, value: RenegotiateFreelyAsClient}\n", "RenegotiateNever"},
           Case{"  - {name: securityTokenHeader, value: 'no header'}\n", "securityTokenHeader"},
       }) {
    const auto options = read(url + one.metadata);
    ASSERT_FALSE(options) << one.metadata;
    EXPECT_THAT(options.error().message, HasSubstr(one.why));
  }
}

}  // namespace
}  // namespace tandem::components
