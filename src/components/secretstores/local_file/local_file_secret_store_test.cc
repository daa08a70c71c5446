#include "components/secretstores/local_file/local_file_secret_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <vector>

namespace tandem::components {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class LocalFileSecretStoreTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }

  Result<std::unique_ptr<LocalFileSecretStore>> open(std::string_view text, LocalFileSecretOptions options = {}) {
    std::ofstream(path_) << text;
    options.secrets_file = path_;
    options.warn = [this](const std::string& problem) { warnings_.push_back(problem); };
    return LocalFileSecretStore::open(options);
  }
  std::string problem(std::string_view text) {
    const auto store = open(text);
    return store ? "(none)" : store.error().message;
  }
  static secrets::Secrets all(LocalFileSecretStore& store) {
    secrets::Secrets got;
    store.bulk_get({}, {}, [&](Result<secrets::Secrets> all) { got = std::move(*all); });
    return got;
  }

  const std::string path_ = testing::TempDir() + "secrets_" + std::to_string(::getpid()) + ".json";
  std::vector<std::string> warnings_;
};

constexpr std::string_view kText =
    R"({"plain":"p","n":1.50,"yes":true,"none":null,"nested":{"a":"x","b":{"c":["l0",{"k":"l1"}]}},"plain":"last"})";

TEST_F(LocalFileSecretStoreTest, CallsNestedValuesByTheirPath) {
  const auto store = open(kText);
  ASSERT_TRUE(store) << store.error().message;
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& [name, secret] : all(**store)) {
    ASSERT_EQ(secret.size(), 1U);
    EXPECT_EQ(secret.begin()->first, name);
    found.emplace_back(name, secret.begin()->second);
  }
  EXPECT_THAT(found,
              ElementsAre(Pair("n", "1.50"), Pair("nested:a", "x"), Pair("nested:b:c:0", "l0"),
                          Pair("nested:b:c:1:k", "l1"), Pair("none", ""), Pair("plain", "last"), Pair("yes", "true")));
  EXPECT_FALSE((*store)->features().multiple_values);
  std::string message;
  (*store)->get({}, "nested", {}, [&](const Result<secrets::Secret>& got) { message = got.error().message; });
  EXPECT_EQ(message, "secret nested not found");
}

TEST_F(LocalFileSecretStoreTest, GivesSeveralValuesOfOneSecret) {
  const auto store = open(kText, {.nested_separator = ".", .multi_valued = true});
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_TRUE((*store)->features().multiple_values);
  EXPECT_THAT(all(**store),
              ElementsAre(Pair("nested", ElementsAre(Pair("a", "x"), Pair("b.c.0", "l0"), Pair("b.c.1.k", "l1"))),
                          Pair("plain", ElementsAre(Pair("plain", "last")))));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("\"n\" is neither"), HasSubstr("\"none\" is neither"),
                                     HasSubstr("\"yes\" is neither")));
}

TEST_F(LocalFileSecretStoreTest, RefusesWhatIsNotSecrets) {
  EXPECT_THAT(problem("{broken"), HasSubstr("this is not JSON: "));
  EXPECT_THAT(problem("[1]"), HasSubstr("it must hold an object in JSON"));
  EXPECT_THAT(problem(R"({"a:b":"1","a":{"b":"2"}})"), HasSubstr("\"a:b\" is there twice"));
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "{\"a\":";
  deep += "1" + std::string(100, '}');
  EXPECT_THAT(problem(deep), HasSubstr("is nested deeper than 64 levels"));
  EXPECT_THAT(problem(std::string((4 << 20) + 1, ' ')), HasSubstr("larger than 4194304 bytes"));
  std::filesystem::remove(path_);
  const auto missing = LocalFileSecretStore::open({.secrets_file = path_});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "secretsFile: " + path_ + ": cannot open the file: No such file or directory");
}

}  // namespace
}  // namespace tandem::components
