#include "config/http_endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/resource_loader.h"

namespace tandem::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class HttpEndpointResource : public testing::Test {
 protected:
  Resources read(const std::string& text) {
    Resources resources;
    parse_resources(text, "endpoints.yaml", resources, diagnostics_);
    return resources;
  }

  Diagnostics diagnostics_;
};

TEST_F(HttpEndpointResource, IsReadWithHeadersAndTls) {
  Resources resources = read(R"(apiVersion: dapr.io/v1alpha1
kind: HTTPEndpoint
metadata: {name: weather}
scopes: [orders]
auth: {secretStore: local.env}
spec:
  baseUrl: https://weather.example:8443/v2
  headers:
    - name: Accept-Language
      value: de
    - name: Authorization
      secretKeyRef: {name: token, key: weather}
  clientTLS:
    rootCA: {value: the authority}
    certificate: {secretKeyRef: {name: cert}}
    privateKey: {secretKeyRef: {name: key}}
    renegotiation: Never
)");
  ASSERT_EQ(resources.http_endpoints.size(), 1u) << diagnostics_.to_string();
  HttpEndpoint& endpoint = resources.http_endpoints[0];
  resolve_secrets(
      endpoint,
      [](const std::string& store, const SecretKeyRef& ref) -> Result<std::string> {
        return store + "/" + ref.name + "/" + ref.key;
      },
      diagnostics_);
  EXPECT_EQ(diagnostics_.to_string(), "");
  EXPECT_EQ(endpoint.name, "weather");
  EXPECT_EQ(endpoint.base_url, "https://weather.example:8443/v2");
  EXPECT_THAT(endpoint.scopes, ElementsAre("orders"));
  ASSERT_EQ(endpoint.headers.size(), 2u);
  EXPECT_EQ(endpoint.headers[0].value, "de");
  EXPECT_EQ(endpoint.headers[1].name, "Authorization");
  EXPECT_EQ(endpoint.headers[1].value, "local.env/token/weather");
  EXPECT_EQ(endpoint.root_ca.value, "the authority");
  EXPECT_EQ(endpoint.certificate.value, "local.env/cert/cert");
  EXPECT_EQ(endpoint.private_key.value, "local.env/key/key");
  EXPECT_EQ(resources.visible_to("orders").http_endpoints.size(), 1u);
  EXPECT_EQ(resources.visible_to("shop").http_endpoints.size(), 0u);
}

TEST_F(HttpEndpointResource, SaysWhatIsWrong) {
  read("apiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata: {name: a}\nspec: {baseUrl: weather.example}\n");
  read("apiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata: {name: b}\nspec: {}\n");
  read("apiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata: {name: c}\n");
  read("apiVersion: dapr.io/v2alpha1\nkind: HTTPEndpoint\nmetadata: {name: d}\nspec: {baseUrl: http://a}\n");
  read("kind: HTTPEndpoint\nmetadata: {name: e}\nspec: {baseUrl: http://a}\n");
  EXPECT_EQ(diagnostics_.error_count(), 5u);
  const std::string text = diagnostics_.to_string();
  EXPECT_THAT(text, HasSubstr("endpoints.yaml:4: spec.baseUrl \"weather.example\" must be a URL like"));
  EXPECT_THAT(text, HasSubstr("spec.baseUrl"));
  EXPECT_THAT(text, HasSubstr("spec is missing"));
  EXPECT_THAT(text, HasSubstr("apiVersion \"dapr.io/v2alpha1\" of an HTTPEndpoint is not known"));
  EXPECT_THAT(text, HasSubstr("apiVersion is missing; a HTTPEndpoint starts with"));
}

TEST(BaseUrl, IsTakenApart) {
  const auto url = parse_base_url("https://[::1]:8443/v2/x?y=1");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->host, "::1");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->authority, "[::1]:8443");
  EXPECT_EQ(url->path, "/v2/x?y=1");
  EXPECT_EQ(parse_base_url("http://a")->port, 80);
  EXPECT_EQ(parse_base_url("https://a")->port, 443);
  EXPECT_EQ(parse_base_url("http://a")->path, "");
  for (const char* text : {"", "http", "http:/a", "http://", "http:///x", "https://a:", "http://a:0", "http://a:65536",
                           "http://a:1x", "http://u@a", "http://[::1", "http://[::1]x", "http://a b", "http://a#b",
                           "HTTP://a", "ftp://a", "http://a\\b"}) {
    EXPECT_FALSE(parse_base_url(text)) << text;
  }
}

}  // namespace
}  // namespace tandem::config
