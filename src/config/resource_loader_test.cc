#include "config/resource_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace tandem::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class TemporaryFolder final {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tandem-config-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  void write(const std::string& name, std::string_view text) const { std::ofstream(path_ + "/" + name) << text; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Resources parse(std::string_view text, Diagnostics& diagnostics) {
  Resources resources;
  parse_resources(text, "r.yaml", resources, diagnostics);
  return resources;
}

TEST(Resources, ReadsAComponent) {
  Diagnostics diagnostics;
  Resources resources = parse(R"(apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: orders
  namespace: production
spec:
  type: state.sqlite
  version: v2
  ignoreErrors: true
  initTimeout: 1m30s
  metadata:
  - name: connectionString
    value: "orders.db"
  - name: timeout
    value: 20
  - name: disableWAL
    value: yes
  - name: quoted
    value: "yes"
  - name: ratio
    value: 2.50
  - name: tree
    value: {b: [1, two, null], a: true}
  - name: password
    secretKeyRef:
      name: DB_PASSWORD
  - name: host
    envRef: DB_HOST
scopes: [checkout, receipts]
auth:
  secretStore: vault
)",
                              diagnostics);
  EXPECT_EQ(diagnostics.to_string(), "");
  ASSERT_EQ(resources.components.size(), 1U);
  const Component& component = resources.components[0];
  EXPECT_EQ(component.name, "orders");
  EXPECT_EQ(component.type, "state.sqlite");
  EXPECT_EQ(component.block(), "state");
  EXPECT_EQ(component.version, "v2");
  EXPECT_TRUE(component.ignore_errors);
  EXPECT_EQ(component.init_timeout, std::chrono::seconds(90));
  EXPECT_THAT(component.scopes, ElementsAre("checkout", "receipts"));
  EXPECT_EQ(component.secret_store, "vault");
  EXPECT_EQ(component.find("ConnectionString")->value, "orders.db");
  EXPECT_EQ(component.find("connectionString")->line, 13);
  EXPECT_EQ(component.find("timeout")->value, "20");
  EXPECT_EQ(component.find("disableWAL")->value, "true");
  EXPECT_EQ(component.find("quoted")->value, "yes");
  EXPECT_EQ(component.find("ratio")->value, "2.5");
  EXPECT_EQ(component.find("tree")->value, R"({"a":true,"b":[1,"two",null]})");
  ASSERT_TRUE(component.find("password")->secret_key_ref);
  EXPECT_EQ(component.find("password")->secret_key_ref->key, "DB_PASSWORD");
  EXPECT_EQ(component.find("host")->env_ref, "DB_HOST");
  EXPECT_TRUE(component.visible_to("checkout"));
  EXPECT_FALSE(component.visible_to("orders"));
}

TEST(Resources, EveryMistakeIsReportedAtItsLine) {
  Diagnostics diagnostics;
  parse(R"(apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  nam: orders
spec:
  type: sqlite
  initTimeout: soon
  ignoreErrors: maybe
  metadata:
  - value: x
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: second
spec: just text
---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata:
  name: s
spec:
  topic: t
  routes:
    rules:
    - match: event.type == "a"
)",
        diagnostics);
  EXPECT_EQ(diagnostics.to_string(Severity::kError),
            "r.yaml:4: metadata.name is missing\n"
            "r.yaml:6: spec.type \"sqlite\" must be a building block and a name, like state.sqlite\n"
            "r.yaml:7: spec.initTimeout: \"soon\" is not a duration (unknown unit \"soon\"); write for example 500ms, "
            "30s or 1h30m\n"
            "r.yaml:8: spec.ignoreErrors must be true or false, not \"maybe\"\n"
            "r.yaml:10: spec.metadata[0].name is missing\n"
            "r.yaml:16: spec must be a map of keys and values, not a single value\n"
            "r.yaml:23: spec.pubsubname is missing\n"
            "r.yaml:26: spec.routes.rules[0].path is missing\n");
  EXPECT_EQ(diagnostics.error_count(), 8U);
}

TEST(Resources, UnknownKeysAreWarningsWithASuggestion) {
  Diagnostics diagnostics;
  parse(R"(apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: a, labels: {x: y}}
spec:
  type: state.in-memory
  verzion: v1
  TYPE: ignored
)",
        diagnostics);
  EXPECT_FALSE(diagnostics.has_errors());
  EXPECT_THAT(diagnostics.to_string(),
              HasSubstr("r.yaml:6: warning: unknown key \"spec.verzion\"; did you mean \"version\"?"));
}

TEST(Resources, ReadsBothVersionsOfASubscription) {
  Diagnostics diagnostics;
  Resources resources = parse(R"(apiVersion: dapr.io/v1alpha1
kind: Subscription
metadata: {name: one}
spec:
  pubsubname: bus
  topic: orders
  route: /orders
  deadLetterTopic: dead
  metadata: {rawPayload: "true"}
  bulkSubscribe: {enabled: true, maxMessagesCount: 10, maxAwaitDurationMs: 40}
scopes: [a]
---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {name: two}
spec:
  PubSubName: bus
  topic: orders
  routes:
    default: /other
    rules:
    - match: event.type == "widget"
      path: /widgets
    - match: event.type == "gadget"
      path: /gadgets
)",
                              diagnostics);
  EXPECT_EQ(diagnostics.to_string(), "");
  ASSERT_EQ(resources.subscriptions.size(), 2U);
  const Subscription& one = resources.subscriptions[0];
  EXPECT_EQ(one.default_path, "/orders");
  EXPECT_EQ(one.dead_letter_topic, "dead");
  EXPECT_EQ(one.metadata.at("rawPayload"), "true");
  EXPECT_TRUE(one.bulk.enabled);
  EXPECT_EQ(one.bulk.max_messages_count, 10);
  EXPECT_EQ(one.bulk.max_await_duration_ms, 40);
  EXPECT_TRUE(one.visible_to("a"));
  EXPECT_FALSE(one.visible_to("b"));
  const Subscription& two = resources.subscriptions[1];
  EXPECT_EQ(two.pubsub_name, "bus");
  EXPECT_EQ(two.default_path, "/other");
  ASSERT_EQ(two.rules.size(), 2U);
  EXPECT_EQ(two.rules[1].match, "event.type == \"gadget\"");
  EXPECT_EQ(two.rules[1].path, "/gadgets");
  EXPECT_EQ(resources.visible_to("b").subscriptions.size(), 1U);
}

TEST(Resources, OtherKindsAndOtherSystemsAreNotRead) {
  Diagnostics diagnostics;
  Resources resources = parse(R"(apiVersion: dapr.io/v1alpha1
kind: MCPServer
metadata: {name: r}
---
apiVersion: apps/v1
kind: Deployment
---
- just
- a list
---
# nothing
---
apiVersion: dapr.io/v1alpha1
kind: Componant
---
kind: Component
---
apiVersion: dapr.io/v9
kind: Component
)",
                              diagnostics);
  EXPECT_THAT(resources.components, IsEmpty());
  EXPECT_EQ(diagnostics.to_string(),
            "r.yaml:1: warning: kind MCPServer is not supported by this version; the resource is ignored\n"
            "r.yaml:5: warning: not a resource of Dapr (apiVersion \"apps/v1\", kind \"Deployment\"); it is ignored\n"
            "r.yaml:8: warning: not a resource of Dapr (no apiVersion, no kind); it is ignored\n"
            "r.yaml:13: warning: kind \"Componant\" is not one of Dapr's that this version knows; it is ignored. Did "
            "you mean "
            "Component?\n"
            "r.yaml:16: apiVersion is missing; a Component starts with \"apiVersion: dapr.io/v1alpha1\"\n"
            "r.yaml:18: apiVersion \"dapr.io/v9\" of a Component is not known; write dapr.io/v1alpha1\n");
}

TEST(Resources, BrokenYamlKeepsTheDocumentsBeforeIt) {
  Diagnostics diagnostics;
  Resources resources = parse(
      "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: a}\nspec: {type: state.in-memory}\n---\na: [1, "
      "2\nb: }\n",
      diagnostics);
  EXPECT_EQ(resources.components.size(), 1U);
  EXPECT_EQ(diagnostics.error_count(), 1U);
  EXPECT_THAT(diagnostics.to_string(), HasSubstr("not valid YAML"));
}

TEST(Resources, HostileYamlIsBounded) {
  {
    Diagnostics diagnostics;
    parse(std::string(200'000, '['), diagnostics);
    EXPECT_THAT(diagnostics.to_string(), HasSubstr("nested deeper than 64 levels"));
  }
  {
    Diagnostics diagnostics;
    std::string deep;
    for (int i = 0; i < 400; ++i) deep += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
    parse(deep, diagnostics);
    EXPECT_THAT(diagnostics.to_string(), HasSubstr("nested deeper than 64 levels"));
  }
  {
    Diagnostics diagnostics;
    std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
    for (int i = 1; i < 12; ++i) {
      bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
      for (int k = 0; k < 10; ++k) bomb += (k ? ",*a" : "*a") + std::to_string(i - 1);
      bomb += "]\n";
    }
    parse(bomb, diagnostics);
    EXPECT_THAT(diagnostics.to_string(), HasSubstr("more than 100000 values, aliases expanded"));
  }
  {
    Diagnostics diagnostics;
    parse("a: &a [1, *a]\n", diagnostics);
    EXPECT_THAT(diagnostics.to_string(), HasSubstr("r.yaml:1: an alias that stands for something that contains it"));
  }
  {
    Diagnostics diagnostics;
    parse(std::string(1024 * 1024 + 1, ' '), diagnostics);
    EXPECT_THAT(diagnostics.to_string(), HasSubstr("the limit is 1048576 bytes"));
  }
  {
    Diagnostics diagnostics;
    parse(std::string_view("a: b\n\0", 6), diagnostics);
    EXPECT_THAT(diagnostics.to_string(), HasSubstr("r.yaml:2: a NUL byte"));
  }
}

TEST(Resources, MergeKeysAndRepeatedKeys) {
  Diagnostics diagnostics;
  Resources resources = parse(R"(apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: a}
defaults: &defaults {type: state.redis, version: v1}
spec:
  <<: *defaults
  type: state.in-memory
  ignoreErrors: false
  ignoreErrors: true
)",
                              diagnostics);
  ASSERT_EQ(resources.components.size(), 1U);
  EXPECT_EQ(resources.components[0].type, "state.in-memory");
  EXPECT_TRUE(resources.components[0].ignore_errors);
  EXPECT_THAT(diagnostics.to_string(),
              HasSubstr("r.yaml:9: warning: key \"ignoreErrors\" is written twice (first at line 8)"));
  EXPECT_THAT(diagnostics.to_string(), Not(HasSubstr("\"type\"")));
}

TEST(Resources, LoadsAFolderInAStableOrder) {
  TemporaryFolder folder;
  auto component = [](std::string_view name) {
    return "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: " + std::string(name) +
           "}\nspec: {type: state.in-memory}\n";
  };
  folder.write("b.yaml", component("three"));
  folder.write("a.yml", component("one") + "---\n" + component("two"));
  folder.write("c.YAML", component("zero"));
  folder.write("notes.txt", "not yaml: [");
  std::filesystem::create_directory(folder.path() + "/sub.yaml");
  folder.write("sub.yaml/hidden.yaml", component("hidden"));
  TemporaryFolder elsewhere;
  elsewhere.write("real", component("linked"));
  std::filesystem::create_symlink(elsewhere.path() + "/real", folder.path() + "/z.yaml");

  Diagnostics diagnostics;
  std::vector<std::string> folders = {folder.path(), folder.path()};
  Resources resources = load_resources(folders, diagnostics);
  EXPECT_EQ(diagnostics.to_string(), "");
  std::vector<std::string> names;
  for (const auto& entry : resources.components) names.push_back(entry.name);
  EXPECT_THAT(names, ElementsAre("one", "two", "three", "zero", "linked"));
}

TEST(Resources, DuplicateNamesMissingFoldersAndOddFilesAreErrors) {
  TemporaryFolder folder;
  std::string text =
      "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: same}\nspec: {type: state.in-memory}\n";
  folder.write("a.yaml", text);
  folder.write("b.yaml", text);
  folder.write("big.yaml", std::string(1024 * 1024 + 1, '#'));
  std::filesystem::create_symlink(folder.path() + "/gone", folder.path() + "/dangling.yaml");
  ASSERT_EQ(::mkfifo((folder.path() + "/pipe.yaml").c_str(), 0600), 0);
  Diagnostics diagnostics;
  std::vector<std::string> folders = {folder.path(), folder.path() + "/nowhere"};
  load_resources(folders, diagnostics);
  std::string all = diagnostics.to_string();
  EXPECT_EQ(diagnostics.error_count(), 5U) << all;
  EXPECT_THAT(all, HasSubstr("b.yaml:1: a component \"same\" is already defined at " + folder.path() + "/a.yaml:1"));
  EXPECT_THAT(all, HasSubstr("big.yaml: larger than 1048576 bytes"));
  EXPECT_THAT(all, HasSubstr("dangling.yaml: cannot open the file: No such file or directory"));
  EXPECT_THAT(all, HasSubstr("pipe.yaml: not a regular file"));
  EXPECT_THAT(all, HasSubstr("nowhere: cannot open the resources folder"));
}

TEST(Configurations, ReadsEverythingAndWarnsAboutWhatIsNotEnforced) {
  ::setenv("TANDEM_TEST_RATE", "0.5", 1);
  Diagnostics diagnostics;
  auto configuration = parse_configuration(R"(apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: {name: daprConfig}
spec:
  tracing:
    samplingRate: "${TANDEM_TEST_RATE}"
    zipkin: {endpointAddress: "http://localhost:9411/api/v2/spans"}
  metric:
    enabled: true
    latencyDistributionBuckets: [1, 5, 10]
    http: {increasedCardinality: false, excludeVerbs: true}
  appHttpPipeline:
    handlers:
    - {name: limit, type: middleware.http.ratelimit}
  features:
  - {name: Some.Feature, enabled: true}
  logging:
    apiLogging: {enabled: true, omitHealthChecks: true}
  api:
    allowed:
    - {name: state, version: v1.0, protocol: http}
  secrets:
    scopes:
    - {storeName: vault, defaultAccess: deny, allowedSecrets: [one]}
  components:
    deny: [state.redis, bindings.http/v2]
  accessControl:
    defaultAction: deny
    policies:
    - appId: a
      defaultAction: allow
      operations:
      - {name: /op, httpVerb: [GET], action: allow}
  mtls: {enabled: false}
)",
                                           "c.yaml", diagnostics);
  ASSERT_TRUE(configuration);
  EXPECT_EQ(configuration->name, "daprConfig");
  EXPECT_DOUBLE_EQ(configuration->tracing.sampling_rate, 0.5);
  EXPECT_THAT(configuration->metrics.latency_buckets_ms, ElementsAre(1, 5, 10));
  EXPECT_FALSE(configuration->metrics.http_paths);
  EXPECT_TRUE(configuration->metrics.http_methods_excluded);
  ASSERT_EQ(configuration->app_http_pipeline.size(), 1U);
  EXPECT_EQ(configuration->app_http_pipeline[0].type, "middleware.http.ratelimit");
  EXPECT_TRUE(configuration->feature_enabled("Some.Feature"));
  EXPECT_FALSE(configuration->feature_enabled("Other"));
  EXPECT_EQ(configuration->api_logging, true);
  EXPECT_TRUE(configuration->api_logging_omit_health_checks);
  EXPECT_EQ(configuration->api_allowed[0].protocol, "http");
  EXPECT_TRUE(configuration->secret_scopes[0].allows("one"));
  EXPECT_FALSE(configuration->secret_scopes[0].allows("two"));
  EXPECT_TRUE(configuration->component_denied("state.redis", "v1"));
  EXPECT_TRUE(configuration->component_denied("bindings.http", "v2"));
  EXPECT_FALSE(configuration->component_denied("bindings.http", "v1"));
  ASSERT_TRUE(configuration->access_control);
  EXPECT_EQ(configuration->access_control->policies[0].operations[0].http_verbs[0], "GET");
  std::string warnings = diagnostics.to_string();
  for (std::string_view part : {"tracing.zipkin", "features"}) {
    EXPECT_THAT(warnings,
                HasSubstr("warning: spec." + std::string(part) + " is read but not enforced by this version"));
  }
  EXPECT_THAT(warnings, Not(HasSubstr("mtls")));
  EXPECT_THAT(warnings, Not(HasSubstr("spec.api ")));
  EXPECT_THAT(warnings, Not(HasSubstr("spec.secrets ")));
  // What would keep somebody out is no warning.
  EXPECT_EQ(diagnostics.error_count(), 2U);
  EXPECT_THAT(warnings, HasSubstr("c.yaml:13: spec.appHttpPipeline is not enforced by this version: take it out\n"));
  EXPECT_THAT(warnings, HasSubstr("c.yaml:28: spec.accessControl is not enforced by this version: take it out"));
}

// The errors of a Configuration with this spec.
std::string errors_of(const std::string& spec) {
  Diagnostics diagnostics;
  parse_configuration("apiVersion: dapr.io/v1alpha1\nkind: Configuration\nspec:\n" + spec, "c.yaml", diagnostics);
  return diagnostics.to_string(Severity::kError);
}

TEST(Configurations, WhatIsNotEnforcedStopsTheStartOnlyWhereItRestricts) {
  for (const char* spec :
       {"  accessControl: {}\n", "  accessControl: {policies: []}\n", "  httpPipeline: {handlers: []}\n",
        "  accessControl: {defaultAction: allow, trustDomain: public}\n"}) {
    EXPECT_EQ(errors_of(spec), "") << spec;
  }
  for (const char* spec : {"  accessControl: {defaultAction: deny}\n", "  accessControl: {trustDomain: public}\n",
                           "  accessControl: {defaultAction: allow, policies: [{appId: a, defaultAction: deny}]}\n"}) {
    EXPECT_THAT(errors_of(spec), HasSubstr("c.yaml:4: spec.accessControl is not enforced")) << spec;
  }
  EXPECT_THAT(errors_of("  httpPipeline: {handlers: [{name: a, type: middleware.http.bearer}]}\n"),
              HasSubstr("c.yaml:4: spec.httpPipeline is not enforced"));
}

TEST(Configurations, ARuleForAnApiIsComplete) {
  EXPECT_EQ(errors_of("  api: {denied: [{name: state, version: v1, protocol: http}]}\n"), "");
  EXPECT_EQ(errors_of("  api: {denied: [{name: state, version: v1, protocol: grpc}]}\n"), "");
  EXPECT_THAT(errors_of("  api: {denied: [{name: state, version: v1}]}\n"),
              HasSubstr("c.yaml:4: spec.api.denied[0].protocol is missing"));
  EXPECT_THAT(errors_of("  api: {allowed: [{name: state, protocol: http}]}\n"),
              HasSubstr("c.yaml:4: spec.api.allowed[0].version is missing"));
  EXPECT_THAT(errors_of("  api: {allowed: [{name: state, version: v1, protocol: smtp}]}\n"),
              HasSubstr("one of http, grpc"));
}

TEST(Configurations, MistakesAreErrors) {
  Diagnostics diagnostics;
  EXPECT_TRUE(parse_configuration(R"(apiVersion: dapr.io/v1alpha1
kind: Configuration
spec:
  tracing: {samplingRate: "2"}
  secrets:
    scopes:
    - {storeName: a}
    - {storeName: a, defaultAccess: perhaps}
  metrics: {latencyDistributionBuckets: [5, 1]}
)",
                                  "c.yaml", diagnostics));
  std::string all = diagnostics.to_string(Severity::kError);
  EXPECT_EQ(diagnostics.error_count(), 4U) << all;
  EXPECT_THAT(all, HasSubstr("c.yaml:4: spec.tracing.samplingRate must be from 0 to 1, not 2"));
  EXPECT_THAT(all,
              HasSubstr("c.yaml:8: spec.secrets.scopes[1].defaultAccess must be one of allow, deny, not \"perhaps\""));
  EXPECT_THAT(all, HasSubstr("c.yaml:8: spec.secrets.scopes names the store \"a\" twice"));
  EXPECT_THAT(all, HasSubstr("c.yaml:9: spec.metrics.latencyDistributionBuckets must be"));

  Diagnostics none;
  EXPECT_FALSE(parse_configuration("a: b\n", "c.yaml", none));
  EXPECT_THAT(none.to_string(), HasSubstr("c.yaml: no Dapr Configuration in this file"));
  Diagnostics missing;
  EXPECT_FALSE(load_configuration("/nowhere/at/all.yaml", missing));
  EXPECT_THAT(missing.to_string(), HasSubstr("/nowhere/at/all.yaml: cannot open the file"));
}

TEST(Configurations, ALaterFileComesOverAnEarlierOne) {
  TemporaryFolder folder;
  const std::string head = "apiVersion: dapr.io/v1alpha1\nkind: Configuration\n";
  folder.write("a.yaml", head +
                             "metadata: {name: a}\nspec:\n  tracing: {samplingRate: \"0.5\", stdout: true}\n"
                             "  components: {deny: [state.one, state.two]}\n");
  folder.write("b.yaml", head +
                             "metadata: {name: b}\nspec:\n  tracing: {samplingRate: \"0\"}\n"
                             "  components: {deny: [state.three]}\n  metric: {enabled: false}\n");
  folder.write("c.yaml", "kind: nothing\n");
  const std::vector<std::string> both = {folder.path() + "/a.yaml", folder.path() + "/b.yaml"};
  Diagnostics diagnostics;
  const auto merged = load_configurations(both, diagnostics);
  ASSERT_TRUE(merged) << diagnostics.to_string();
  EXPECT_EQ(merged->name, "b");
  EXPECT_EQ(merged->tracing.sampling_rate, 0);
  EXPECT_TRUE(merged->tracing.to_stdout);
  EXPECT_THAT(merged->denied_components, ElementsAre("state.three"));
  EXPECT_FALSE(merged->metrics.enabled);

  const std::vector<std::string> broken = {both[0], folder.path() + "/c.yaml"};
  EXPECT_FALSE(load_configurations(broken, diagnostics));
  EXPECT_THAT(diagnostics.to_string(Severity::kError), HasSubstr("c.yaml: no Dapr Configuration"));
}

TEST(Secrets, ComeFromTheEnvironmentOrAreErrors) {
  ::setenv("TANDEM_TEST_SECRET", "hush", 1);
  ::unsetenv("TANDEM_TEST_UNSET");
  Component component;
  component.name = "c";
  component.file = "f.yaml";
  auto add = [&](std::string name, std::string key, int line) {
    MetadataItem item;
    item.name = std::move(name);
    item.secret_key_ref = SecretKeyRef{key, key};
    item.line = line;
    component.metadata.push_back(item);
  };
  add("good", "TANDEM_TEST_SECRET", 1);
  add("unset", "TANDEM_TEST_UNSET", 2);
  add("guarded", "DAPR_API_TOKEN", 3);
  Diagnostics diagnostics;
  resolve_secrets(component, environment_secrets(), diagnostics);
  EXPECT_EQ(component.find("good")->value, "hush");
  EXPECT_EQ(diagnostics.error_count(), 2U);
  EXPECT_THAT(diagnostics.to_string(),
              HasSubstr("f.yaml:2: component \"c\", unset: the environment variable \"TANDEM_TEST_UNSET\" is not set"));
  EXPECT_THAT(diagnostics.to_string(), HasSubstr("f.yaml:3: "));

  component.secret_store = "vault";
  Diagnostics other;
  resolve_secrets(component, environment_secrets(), other);
  EXPECT_THAT(other.to_string(), HasSubstr("there is no secret store \"vault\""));
}

TEST(Templates, AreExpanded) {
  Component component;
  for (std::string text : {"{appID}-x", "{namespace}", "{uuid}", "{podName}", "plain"}) {
    MetadataItem item;
    item.name = text;
    item.value = text;
    component.metadata.push_back(item);
  }
  expand_templates(component, {"orders", "default", "pod"});
  EXPECT_EQ(component.metadata[0].value, "orders-x");
  EXPECT_EQ(component.metadata[1].value, "default.orders");
  EXPECT_THAT(component.metadata[2].value,
              ::testing::MatchesRegex("[0-9a-f]+-[0-9a-f]+-4[0-9a-f]+-[89ab][0-9a-f]+-[0-9a-f]+"));
  EXPECT_EQ(component.metadata[2].value.size(), 36U);
  EXPECT_EQ(component.metadata[3].value, "pod");
  EXPECT_EQ(component.metadata[4].value, "plain");
}

TEST(DiagnosticsText, HasFilesInOrderAndLinesSorted) {
  Diagnostics diagnostics;
  diagnostics.error({"b.yaml", 9, 1}, "late");
  diagnostics.warning({"a.yaml", 0, 0}, "whole file");
  diagnostics.error({"b.yaml", 2, 1}, "early");
  EXPECT_EQ(diagnostics.to_string(), "b.yaml:2: early\nb.yaml:9: late\na.yaml: warning: whole file\n");
  EXPECT_EQ(diagnostics.error_count(), 2U);
  for (std::size_t i = 0; i < Diagnostics::kMaxKept; ++i) diagnostics.error({"c.yaml", 1, 1}, "again");
  EXPECT_EQ(diagnostics.all().size(), Diagnostics::kMaxKept);
  EXPECT_THAT(diagnostics.to_string(), HasSubstr("... and 3 more\n"));
}

}  // namespace
}  // namespace tandem::config
