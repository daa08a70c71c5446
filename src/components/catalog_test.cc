#include "components/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/testing/test_loop.h"
#include "components/state/in_memory/in_memory_state_store.h"
#include "config/resource_loader.h"

namespace tandem::components {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class CatalogTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // A component of this type with these lines of metadata.
  config::Component component(const std::string& type, const std::string& metadata, const std::string& version = "v1") {
    const std::string yaml =
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: mine\nspec:\n  type: " + type +
        "\n  version: " + version + "\n  metadata:" + (metadata.empty() ? " []\n" : "\n" + metadata) +
        "scopes: [orders]\n";
    config::Resources resources;
    config::parse_resources(yaml, "test.yaml", resources, diagnostics_);
    EXPECT_EQ(resources.components.size(), 1u) << diagnostics_.to_string();
    return resources.components.empty() ? config::Component() : resources.components.front();
  }

  TestLoop loop_;
  Surroundings surroundings_{loop_};
  config::Diagnostics diagnostics_;
  const Catalog catalog_ = Catalog::load().value();
  const std::string folder_ = testing::TempDir() + "catalog_" + std::to_string(::getpid());
};

TEST_F(CatalogTest, KnowsItsComponents) {
  std::vector<std::string> types;
  for (const config::ComponentSchema& schema : catalog_.schemas()) types.push_back(schema.full_type());
  EXPECT_THAT(types, testing::ElementsAre("bindings.cron", "bindings.http", "bindings.kafka", "bindings.localstorage",
                                          "bindings.postgresql", "bindings.redis", "configuration.redis",
                                          "pubsub.in-memory", "pubsub.kafka", "pubsub.redis", "secretstores.local.env",
                                          "secretstores.local.file", "state.in-memory", "state.postgresql",
                                          "state.postgresql", "state.redis", "state.sqlite"));
  EXPECT_TRUE(std::ranges::is_sorted(types));
  EXPECT_NE(catalog_.find("state.sqlite", "v1"), nullptr);
  EXPECT_NE(catalog_.find("state.sqlite", ""), nullptr);
  EXPECT_EQ(catalog_.find("state.sqlite", "v2"), nullptr);
  EXPECT_TRUE(catalog_.find("state.sqlite", "v1")->has_capability("transactional"));
  EXPECT_EQ(catalog_.find("state.postgresql", "")->version, "v1");
  EXPECT_NE(catalog_.find("state.postgresql", "v1")->find("tableName"), nullptr);
  EXPECT_EQ(catalog_.find("state.postgresql", "v2")->find("tableName"), nullptr);
  EXPECT_NE(catalog_.find("state.postgresql", "v2")->find("tablePrefix"), nullptr);
}

// Programs that serve one type, or do not answer.
class FakePluggable final : public Pluggable {
 public:
  explicit FakePluggable(std::string served) : served_(std::move(served)) {}

  const std::string& folder() const override { return folder_; }
  Result<bool> serves(const config::Component& component) const override {
    if (served_.empty()) return fail(Code::kUnavailable, "nobody answers");
    return component.type == served_;
  }
  Result<PluggableStore> make_store(const config::Component&) const override {
    return PluggableStore{std::make_unique<InMemoryStateStore>(loop_), {"ETAG", "QUERY_API"}};
  }
  Result<PluggableBroker> make_broker(const config::Component&, const std::string& consumer_id) const override {
    return fail(Code::kUnavailable, "no broker for " + consumer_id);
  }
  Result<PluggableBinding> make_binding(const config::Component&, Parts) const override { return PluggableBinding(); }
  Result<std::unique_ptr<secrets::Store>> make_secret_store(const config::Component&) const override {
    return fail(Code::kUnavailable, "sealed");
  }

 private:
  const std::string served_;
  const std::string folder_ = "/run/sockets";
  mutable TestLoop loop_;
};

TEST_F(CatalogTest, AProgramTakesThePlaceOfAComponent) {
  const FakePluggable programs("state.in-memory");
  surroundings_.pluggable = &programs;
  const auto entry = catalog_.make_store(
      component("state.in-memory", "  - {name: keyPrefix, value: name}\n  - {name: url, value: here}\n"), surroundings_,
      diagnostics_);
  ASSERT_TRUE(entry) << diagnostics_.to_string();
  EXPECT_EQ(entry->prefix, state::KeyPrefix::kName);
  EXPECT_THAT(*entry->capabilities, ElementsAre("ETAG", "QUERY_API"));
  // Keys that nobody here knows are its own.
  EXPECT_TRUE(diagnostics_.all().empty()) << diagnostics_.to_string();
  EXPECT_FALSE(catalog_.make_store(component("state.other", ""), surroundings_, diagnostics_));
  EXPECT_THAT(diagnostics_.to_string(), HasSubstr("; no socket in /run/sockets serves it either"));
}

TEST_F(CatalogTest, AProgramThatDoesNotAnswerHidesNothingBuiltIn) {
  const FakePluggable programs("");
  surroundings_.pluggable = &programs;
  EXPECT_TRUE(catalog_.make_store(component("state.in-memory", ""), surroundings_, diagnostics_));
  EXPECT_EQ(diagnostics_.error_count(), 0u);
  EXPECT_THAT(diagnostics_.to_string(), HasSubstr("the built-in state.in-memory is used; nobody answers"));
  EXPECT_FALSE(catalog_.make_store(component("state.map", ""), surroundings_, diagnostics_));
  EXPECT_THAT(diagnostics_.to_string(), HasSubstr("component \"mine\" (state.map): nobody answers"));
}

TEST_F(CatalogTest, AProgramHasOneConsumerGroup) {
  const FakePluggable programs("pubsub.hub");
  surroundings_.pluggable = &programs;
  EXPECT_FALSE(catalog_.make_broker(component("pubsub.hub", ""), surroundings_, diagnostics_));
  EXPECT_THAT(diagnostics_.to_string(), HasSubstr("a pluggable pub/sub has one consumer group: set consumerID"));
  surroundings_.app_id = "orders";
  EXPECT_FALSE(catalog_.make_broker(component("pubsub.hub", ""), surroundings_, diagnostics_));
  EXPECT_THAT(diagnostics_.to_string(), HasSubstr("no broker for orders"));
}

TEST_F(CatalogTest, MakesBindingsByTheirDirection) {
  using Reader = bindings::BindingEntry::Reader;
  const std::string schedule = "  - {name: schedule, value: '@every 1h'}\n";
  const auto make = [&](const std::string& direction) {
    const std::string line = direction.empty() ? "" : "  - {name: Direction, value: '" + direction + "'}\n";
    return catalog_.make_binding(component("bindings.cron", schedule + line), surroundings_, diagnostics_);
  };
  auto binding = make("");
  ASSERT_TRUE(binding) << diagnostics_.to_string();
  EXPECT_EQ(binding->name, "mine");
  EXPECT_NE(binding->input, nullptr);
  EXPECT_EQ(binding->output, nullptr);
  EXPECT_EQ(binding->reader, Reader::kAsk);
  EXPECT_THAT(binding->scopes, ElementsAre("orders"));
  for (const char* direction : {"input", "input, output", "OUTPUT ,Input"}) {
    binding = make(direction);
    ASSERT_TRUE(binding);
    EXPECT_NE(binding->input, nullptr);
    EXPECT_EQ(binding->reader, Reader::kNamed);
  }
  EXPECT_TRUE(diagnostics_.all().empty()) << diagnostics_.to_string();
  for (const char* direction : {"output", "both"}) {
    binding = make(direction);
    ASSERT_TRUE(binding);
    EXPECT_EQ(binding->input, nullptr);
    EXPECT_THAT(diagnostics_.to_string(), HasSubstr("its direction leaves nothing of it to use"));
  }
  EXPECT_FALSE(diagnostics_.has_errors());
}

TEST_F(CatalogTest, SaysWhyABindingCannotBeMade) {
  EXPECT_FALSE(catalog_.make_binding(component("bindings.cron", "  - {name: schedule, value: soon}\n"), surroundings_,
                                     diagnostics_));
  EXPECT_THAT(diagnostics_.to_string(), HasSubstr("invalid schedule format 'soon'"));
  EXPECT_FALSE(catalog_.make_binding(component("bindings.localstorage", "  - {name: rootPath, value: /proc/x}\n"),
                                     surroundings_, diagnostics_));
  EXPECT_THAT(diagnostics_.to_string(), HasSubstr("disallowed location"));
  EXPECT_FALSE(catalog_.make_binding(component("bindings.mqtt3", ""), surroundings_, diagnostics_));
  EXPECT_THAT(
      diagnostics_.to_string(),
      HasSubstr("there is no bindings.mqtt3/v1; built in: bindings.cron/v1, bindings.http/v1, bindings.kafka/v1, "
                "bindings.localstorage/v1, bindings.postgresql/v1, bindings.redis/v1"));
}

// Every key of the metadata.yaml that Dapr 1.18 has for these components, and of Dapr's runtime.
TEST_F(CatalogTest, HasEveryKeyOfDaprs) {
  const std::vector<std::string> runtime = {"keyPrefix", "actorStateStore", "primaryEncryptionKey",
                                            "secondaryEncryptionKey"};
  const std::vector<std::string> sqlite = {"connectionString", "timeout",           "busyTimeout",    "disableWAL",
                                           "tableName",        "metadataTableName", "cleanupInterval"};
  const std::vector<std::string> redis = {"redisHost",
                                          "redisPort",
                                          "redisUsername",
                                          "redisPassword",
                                          "sentinelUsername",
                                          "sentinelPassword",
                                          "enableTLS",
                                          "clientCert",
                                          "insecureSkipTLSVerify",
                                          "clientKey",
                                          "failover",
                                          "sentinelMasterName",
                                          "redisType",
                                          "redisDB",
                                          "redisMaxRetries",
                                          "dialTimeout",
                                          "redisMinRetryInterval",
                                          "readTimeout",
                                          "redisMaxRetryInterval",
                                          "writeTimeout",
                                          "poolSize",
                                          "poolTimeout",
                                          "maxConnAge",
                                          "minIdleConns",
                                          "idleCheckFrequency",
                                          "idleTimeout",
                                          "redeliverInterval",
                                          "ttlInSeconds",
                                          "processingTimeout",
                                          "queryIndexes",
                                          "useEntraID"};
  std::vector<std::string> postgresql = {"connectionString",
                                         "host",
                                         "hostaddr",
                                         "port",
                                         "database",
                                         "user",
                                         "password",
                                         "sslRootCert",
                                         "timeout",
                                         "maxConns",
                                         "useAzureAD",
                                         "queryExecMode",
                                         "useAWSIAM",
                                         "awsRegion",
                                         "metadataTableName",
                                         "cleanupInterval",
                                         "awsAccessKey",
                                         "awsSecretKey",
                                         "connectionMaxIdleTime"};
  std::vector<std::string> postgresql_v2 = postgresql;
  postgresql.push_back("tableName");
  postgresql_v2.push_back("tablePrefix");
  // The pub/sub of the same server.
  std::vector<std::string> redis_pubsub = redis;
  for (const char* key : {"ttlInSeconds", "queryIndexes"}) std::erase(redis_pubsub, key);
  for (const char* key : {"consumerID", "queueDepth", "concurrency", "maxLenApprox", "streamTTL"}) {
    redis_pubsub.emplace_back(key);
  }
  const auto check = [&](const std::string& type, const std::string& version, const std::vector<std::string>& keys) {
    const config::ComponentSchema* schema = catalog_.find(type, version);
    ASSERT_NE(schema, nullptr) << type;
    for (const std::string& key : keys) EXPECT_NE(schema->find(key), nullptr) << type << "/" << version << " " << key;
    if (!type.starts_with("state.")) return;
    for (const std::string& key : runtime)
      EXPECT_NE(schema->find(key), nullptr) << type << "/" << version << " " << key;
  };
  check("state.in-memory", "v1", {});
  check("pubsub.redis", "v1", redis_pubsub);
  check("state.sqlite", "v1", sqlite);
  check("state.redis", "v1", redis);
  check("state.postgresql", "v1", postgresql);
  check("state.postgresql", "v2", postgresql_v2);
}

TEST_F(CatalogTest, MakesAStore) {
  std::filesystem::create_directories(folder_);
  const auto entry = catalog_.make_store(component("state.sqlite", "  - name: connectionString\n    value: " + folder_ +
                                                                       "/s.db\n  - name: keyPrefix\n    value: name\n"
                                                                       "  - name: cleanupInterval\n    value: 1h\n"),
                                         surroundings_, diagnostics_);
  ASSERT_TRUE(entry.has_value()) << diagnostics_.to_string();
  EXPECT_EQ(entry->name, "mine");
  EXPECT_EQ(entry->prefix, state::KeyPrefix::kName);
  EXPECT_THAT(entry->scopes, ElementsAre("orders"));
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/s.db"));
  EXPECT_EQ(diagnostics_.to_string(), "");
}

TEST_F(CatalogTest, MakesABroker) {
  const auto entry = catalog_.make_broker(
      component("pubsub.in-memory",
                "  - name: publishingScopes\n    value: a=t1\n  - name: maxConcurrentHandlers\n    value: 5\n"),
      surroundings_, diagnostics_);
  ASSERT_TRUE(entry.has_value()) << diagnostics_.to_string();
  EXPECT_FALSE(entry->topic_scopes.may_publish("a", "t2"));
  EXPECT_EQ(diagnostics_.to_string(), "");
}

TEST_F(CatalogTest, RefusesToLogInThroughACloud) {
  for (const char* version : {"v1", "v2"}) {
    for (const char* key : {"useAzureAD", "useAWSIAM"}) {
      const std::string metadata =
          "  - name: connectionString\n    value: host=localhost\n  - name: " + std::string(key) +
          "\n    value: \"true\"\n";
      EXPECT_FALSE(catalog_.make_store(component("state.postgresql", metadata, version), surroundings_, diagnostics_));
      EXPECT_THAT(diagnostics_.to_string(), HasSubstr(std::string(key) + ": tokens of "));
    }
  }
  EXPECT_EQ(diagnostics_.error_count(), 4u) << diagnostics_.to_string();
}

TEST_F(CatalogTest, SaysWhatIsWrongAndWhere) {
  EXPECT_FALSE(catalog_.make_store(component("state.sqlite", ""), surroundings_, diagnostics_));
  EXPECT_FALSE(catalog_.make_store(component("state.nosuch", ""), surroundings_, diagnostics_));
  EXPECT_FALSE(catalog_.make_broker(component("state.sqlite", ""), surroundings_, diagnostics_));
  EXPECT_FALSE(catalog_.make_store(
      component("state.sqlite", "  - name: connectionString\n    value: " + folder_ + "/none/s.db\n"), surroundings_,
      diagnostics_));
  EXPECT_FALSE(catalog_.make_store(component("state.in-memory", "  - name: keyPrefix\n    value: a||b\n"),
                                   surroundings_, diagnostics_));
  EXPECT_FALSE(catalog_.make_broker(component("pubsub.in-memory", "  - name: maxConcurrentHandlers\n    value: 0\n"),
                                    surroundings_, diagnostics_));
  const std::string text = diagnostics_.to_string();
  EXPECT_THAT(text, HasSubstr("connectionString"));
  EXPECT_THAT(text,
              testing::ContainsRegex("there is no state.nosuch/v1; built in: state.in-memory/v1, .*state.sqlite/v1"));
  EXPECT_THAT(text, HasSubstr("there is no state.sqlite/v1; built in: pubsub.in-memory/v1"));
  EXPECT_THAT(text, HasSubstr("the folder \"" + folder_ + "/none\" does not exist"));
  EXPECT_THAT(text, HasSubstr("input key/keyPrefix 'a||b' can't contain '||'"));
  EXPECT_THAT(text, HasSubstr("maxConcurrentHandlers: must be between 1 and 10000"));
  EXPECT_EQ(diagnostics_.error_count(), 6u) << text;
  EXPECT_THAT(text, HasSubstr("test.yaml:"));
}

}  // namespace
}  // namespace tandem::components
