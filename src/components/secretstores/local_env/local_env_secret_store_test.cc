#include "components/secretstores/local_env/local_env_secret_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <vector>

namespace tandem::components {
namespace {

class LocalEnvSecretStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("LOCAL_ENV_TEST_ONE", "1", 1);
    ::setenv("LOCAL_ENV_TEST_EMPTY", "", 1);
    ::setenv("LOCAL_ENV_TEST_", "itself", 1);
    ::setenv("DAPR_LOCAL_ENV_TEST", "guarded", 1);
    ::setenv("APP_API_TOKEN", "guarded", 1);
  }
  void TearDown() override {
    for (const char* name :
         {"LOCAL_ENV_TEST_ONE", "LOCAL_ENV_TEST_EMPTY", "LOCAL_ENV_TEST_", "DAPR_LOCAL_ENV_TEST", "APP_API_TOKEN"}) {
      ::unsetenv(name);
    }
  }
  std::string value(const std::string& prefix, const std::string& name) {
    LocalEnvSecretStore store(prefix, [this](const std::string& problem) { warnings_.push_back(problem); });
    std::string got = "(none)";
    store.get({}, name, {}, [&](Result<secrets::Secret> secret) { got = secret->at(name); });
    return got;
  }
  secrets::Secrets all(const std::string& prefix) {
    LocalEnvSecretStore store(prefix, nullptr);
    secrets::Secrets got;
    store.bulk_get({}, {}, [&](Result<secrets::Secrets> all) { got = std::move(*all); });
    return got;
  }

  std::vector<std::string> warnings_;
};

TEST_F(LocalEnvSecretStoreTest, GivesVariables) {
  EXPECT_EQ(value("", "LOCAL_ENV_TEST_ONE"), "1");
  EXPECT_EQ(value("LOCAL_ENV_TEST_", "ONE"), "1");
  EXPECT_EQ(value("", "LOCAL_ENV_TEST_NONE"), "");
  EXPECT_EQ(value("local_env_test_", "ONE"), "");
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(LocalEnvSecretStoreTest, KeepsBackWhatDaprGuards) {
  for (const std::string name : {"APP_API_TOKEN", "DAPR_LOCAL_ENV_TEST"}) EXPECT_EQ(value("", name), "") << name;
  EXPECT_EQ(value("DAPR_", "LOCAL_ENV_TEST"), "");
  EXPECT_EQ(value("app_api_", "token"), "");
  EXPECT_EQ(warnings_.size(), 4U);
  // What the system would not see of a name counts too.
  EXPECT_EQ(value("", std::string("APP_API_TOKEN\0x", 15)), "");
  EXPECT_EQ(value("", std::string("LOCAL_ENV_TEST_ONE\0x", 20)), "");
  const secrets::Secrets every = all("");
  EXPECT_EQ(every.at("LOCAL_ENV_TEST_ONE").at("LOCAL_ENV_TEST_ONE"), "1");
  EXPECT_FALSE(every.contains("APP_API_TOKEN"));
  EXPECT_FALSE(every.contains("DAPR_LOCAL_ENV_TEST"));
}

TEST_F(LocalEnvSecretStoreTest, APrefixLimitsAll) {
  using testing::ElementsAre;
  using testing::Pair;
  EXPECT_THAT(all("LOCAL_ENV_TEST_"),
              ElementsAre(Pair("EMPTY", ElementsAre(Pair("EMPTY", ""))), Pair("ONE", ElementsAre(Pair("ONE", "1")))));
}

}  // namespace
}  // namespace tandem::components
