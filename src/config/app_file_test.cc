#include "config/app_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tandem::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(AppFile, ReadsAppsWithCommonMergedIn) {
  Diagnostics diagnostics;
  auto file = parse_app_file(R"(version: 1
common:
  resourcesPath: ./resources
  env:
    DEBUG: true
    VERSION: 1.10
  logLevel: debug
  memoryLimit: 64Mi
apps:
- appID: checkout
  appDirPath: ./checkout
  module: checkout.wasm
  appPort: 8080
  daprHTTPPort: 3501
  env: {DEBUG: "no", EXTRA: x}
  isolation: request
  instances: {min: 1, max: 4}
  instanceMaxRequests: 1000
  instanceMaxAge: 10m
  requestTimeout: 2s
  allowedOutboundHosts: ["https://example.com", "*://127.0.0.1:*"]
  files:
  - {source: ./data, destination: /data, readOnly: true}
  messagingPubsub: bus
  wasiConfig:
    configurationStore: items
    secrets:
    - {name: password, secretStore: vault, secretKeyRef: {name: database, key: pw}}
    - {name: token, secretStore: vault, secretKeyRef: {name: api}}
- appID: orders
  module: /abs/orders.wasm
  resourcesPaths: [a, /b]
  memoryLimit: 1Gi
  instances: 1
  maxBodySize: 16Mi
  appHealthProbeTimeout: 250
)",
                             "/srv/shop/tandem.yaml", diagnostics);
  ASSERT_TRUE(file);
  EXPECT_EQ(diagnostics.to_string(), "");
  ASSERT_EQ(file->apps.size(), 2U);
  const AppSpec& checkout = file->apps[0];
  EXPECT_EQ(checkout.app_id, "checkout");
  EXPECT_EQ(checkout.line, 10);
  EXPECT_EQ(checkout.module, "/srv/shop/checkout/checkout.wasm");
  EXPECT_THAT(checkout.resources_paths, ElementsAre("/srv/shop/resources"));
  EXPECT_EQ(checkout.app_port, 8080);
  EXPECT_EQ(checkout.dapr_http_port, 3501);
  EXPECT_FALSE(checkout.dapr_grpc_port);
  EXPECT_EQ(checkout.env.at("DEBUG"), "no");
  EXPECT_EQ(checkout.env.at("VERSION"), "1.10");
  EXPECT_EQ(checkout.env.at("EXTRA"), "x");
  EXPECT_EQ(checkout.log_level, "debug");
  EXPECT_EQ(checkout.isolation, Isolation::kRequest);
  EXPECT_EQ(checkout.min_instances, 1);
  EXPECT_EQ(checkout.max_instances, 4);
  EXPECT_EQ(checkout.instance_max_requests, 1000U);
  EXPECT_EQ(checkout.instance_max_age, std::chrono::minutes(10));
  EXPECT_EQ(checkout.request_timeout, std::chrono::seconds(2));
  EXPECT_EQ(checkout.memory_limit_bytes, 64U << 20);
  EXPECT_EQ(checkout.allowed_outbound_hosts.size(), 2U);
  ASSERT_EQ(checkout.files.size(), 1U);
  EXPECT_EQ(checkout.files[0].source, "/srv/shop/checkout/data");
  EXPECT_EQ(checkout.files[0].destination, "/data");
  EXPECT_TRUE(checkout.files[0].read_only);
  EXPECT_EQ(checkout.messaging_pubsub, "bus");
  EXPECT_EQ(checkout.config_store, "items");
  ASSERT_EQ(checkout.config_secrets.size(), 2U);
  EXPECT_EQ(checkout.config_secrets[0].name, "password");
  EXPECT_EQ(checkout.config_secrets[0].store, "vault");
  EXPECT_EQ(checkout.config_secrets[0].secret, "database");
  EXPECT_EQ(checkout.config_secrets[0].key, "pw");
  EXPECT_EQ(checkout.config_secrets[1].key, "api") << "a secret with one value has its own name as key";
  const AppSpec& orders = file->apps[1];
  EXPECT_EQ(orders.module, "/abs/orders.wasm");
  EXPECT_THAT(orders.resources_paths, ElementsAre("/srv/shop/a", "/b"));
  EXPECT_EQ(orders.memory_limit_bytes, 1U << 30);
  EXPECT_EQ(orders.max_instances, 1);
  EXPECT_EQ(orders.isolation, Isolation::kInstance);
  EXPECT_EQ(orders.dapr_http_max_request_size, 16U << 20);
  EXPECT_EQ(orders.app_health_probe_timeout, std::chrono::milliseconds(250));
  EXPECT_EQ(orders.env.at("DEBUG"), "true");
}

TEST(AppFile, EveryMistakeIsReportedAtItsLine) {
  Diagnostics diagnostics;
  parse_app_file(R"(version: 2
apps:
- appId: a
  module: a.wasm
- appID: has.dots
  module: b.wasm
  appPort: 70000
  memoryLimit: lots
  requestTimeout: 0s
  allowed_outbound_hosts: ["example.com"]
- appID: native
  command: ["./run"]
- appID: twice
  module: c.wasm
  daprHTTPPort: 3500
- appID: twice
  daprHTTPPort: 3500
  files:
  - {source: x, path: relative}
  wasiConfig:
    secrets: [{name: x, secretStore: vault}]
)",
                 "t.yaml", diagnostics);
  std::string all = diagnostics.to_string();
  for (std::string_view line : {
           "t.yaml:1: version must be a whole number from 1 to 1, not \"2\"\n",
           "t.yaml:3: apps[0].appID: an app id is missing\n",
           "t.yaml:3: unknown key \"apps[0].appId\"; did you mean \"appID\"?\n",
           "t.yaml:5: apps[1].appID: \"has.dots\" may have only letters",
           "t.yaml:7: apps[1].appPort must be a whole number from -1 to 65535, not \"70000\"\n",
           "t.yaml:8: apps[1].memoryLimit: \"lots\" is not an amount of bytes",
           "t.yaml:9: apps[1].requestTimeout must be more than 0\n",
           "t.yaml:10: apps[1].allowed_outbound_hosts: allowed outbound host \"example.com\": a scheme is missing",
           "t.yaml:12: apps[2].command is not supported: Tandem starts no processes. Use \"module\"",
           "t.yaml:16: an app \"twice\" is already defined at line 13\n",
           "t.yaml:16: port 3500 is used twice: daprHTTPPort of \"twice\" and daprHTTPPort of \"twice\"\n",
           "t.yaml:16: apps[4].module is missing",
           "t.yaml:19: apps[4].files[0].destination must be an absolute path in the guest",
           "t.yaml:21: apps[4].wasiConfig.secrets[0].secretKeyRef is missing\n",
       }) {
    EXPECT_THAT(all, HasSubstr(line));
  }
  EXPECT_EQ(diagnostics.error_count(), 14U) << all;
}

TEST(AppFile, DaprsOtherWordsAreWarnings) {
  Diagnostics diagnostics;
  auto file = parse_app_file(
      "version: 1\napps:\n- appID: a\n  appPort: 3000\n  unixDomainSocket: /tmp\n  appMaxConcurrency: -1\n", "t.yaml",
      diagnostics);
  ASSERT_TRUE(file);
  EXPECT_EQ(diagnostics.to_string(),
            "t.yaml:5: warning: apps[0].unixDomainSocket has no meaning for Tandem and is ignored\n");
  EXPECT_EQ(file->apps[0].module, "");
  EXPECT_FALSE(file->apps[0].app_max_concurrency);
}

TEST(AppFile, UnreadableFilesGiveOneError) {
  Diagnostics empty;
  EXPECT_FALSE(parse_app_file("# nothing\n", "t.yaml", empty));
  EXPECT_EQ(empty.to_string(), "t.yaml: the file is empty; it needs version and apps\n");
  Diagnostics missing;
  EXPECT_FALSE(load_app_file("/nowhere/tandem.yaml", missing));
  EXPECT_EQ(missing.to_string(), "/nowhere/tandem.yaml: cannot open the file: No such file or directory\n");
  Diagnostics none;
  parse_app_file("version: 1\napps: []\n", "t.yaml", none);
  EXPECT_EQ(none.to_string(), "t.yaml:1: apps is missing: no app to run\n");
}

TEST(AppId, FollowsDaprsRule) {
  EXPECT_EQ(check_app_id("my-app_1"), "");
  EXPECT_NE(check_app_id(""), "");
  EXPECT_NE(check_app_id("a.b"), "");
  EXPECT_NE(check_app_id("a b"), "");
  EXPECT_NE(check_app_id(std::string(64, 'a')), "");
}

}  // namespace
}  // namespace tandem::config
