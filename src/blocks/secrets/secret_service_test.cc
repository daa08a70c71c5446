#include "blocks/secrets/secret_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <thread>

#include "base/testing/test_loop.h"

namespace tandem::secrets {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

// Secrets "one" and "two", and "late", which another thread answers.
class TestStore final : public Store {
 public:
  ~TestStore() override {
    if (later_.joinable()) later_.join();
  }
  Features features() const override { return {}; }
  void get(const CallContext&, std::string name, Metadata metadata, Completion<Secret> done) override {
    given = std::move(metadata);
    if (name == "silent") {
      kept = std::move(done);
    } else if (name == "late") {
      later_ = std::thread([done = std::move(done)]() mutable { done(Secret{{"late", "3"}}); });
    } else if (const auto found = all.find(name); found != all.end()) {
      done(found->second);
    } else {
      done(fail(Code::kNotFound, "secret " + name + " not found"));
    }
  }
  void bulk_get(const CallContext&, Metadata, Completion<Secrets> done) override { done(all); }

  Secrets all = {{"one", {{"one", "1"}}}, {"two", {{"two", "2"}, {"more", ""}}}};
  Metadata given;
  Completion<Secret> kept;

 private:
  std::thread later_;
};

class SecretServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    auto store = std::make_unique<TestStore>();
    store_ = store.get();
    ASSERT_TRUE(service_.add({.name = "vault", .store = std::move(store)}));
    ASSERT_TRUE(service_.add({.name = "theirs", .store = std::make_unique<TestStore>(), .scopes = {"b"}}));
    ASSERT_TRUE(service_.add({.name = "open", .store = std::make_unique<TestStore>()}));
    context_.app_id = "a";
  }

  Result<Secret> get(std::string_view store, std::string name) {
    std::optional<Result<Secret>> got;
    service_.get({context_, loop_}, store, std::move(name), {{"m", "x"}},
                 [&](Result<Secret> secret) { got = std::move(secret); });
    EXPECT_TRUE(loop_.run_until([&] { return got.has_value(); }));
    return *got;
  }
  Result<std::string> resolve(std::string name, std::string key,
                              std::chrono::milliseconds time = std::chrono::seconds(10)) {
    return service_.resolve("vault", {std::move(name), std::move(key)}, "ns", std::chrono::steady_clock::now() + time);
  }

  TestLoop loop_;
  CallContext context_;
  TestStore* store_ = nullptr;
  SecretService service_{{{.store_name = "vault", .denied = {"two"}},
                          {.store_name = "open", .default_access = "deny", .allowed = {"two"}}}};
};

TEST_F(SecretServiceTest, GivesWhatTheStoreHas) {
  EXPECT_THAT(*get("vault", "one"), ElementsAre(Pair("one", "1")));
  EXPECT_EQ(store_->given.at("m"), "x");
  EXPECT_THAT(*get("vault", "late"), ElementsAre(Pair("late", "3")));
}

TEST_F(SecretServiceTest, ScopesTakeSecretsAway) {
  const auto denied = get("vault", "two");
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().code, Code::kPermissionDenied);
  EXPECT_EQ(denied.error().message, "access denied by policy to get \"two\" from \"vault\"");
  EXPECT_FALSE(get("open", "one"));
  EXPECT_TRUE(get("open", "two"));
  std::optional<Result<Secrets>> all;
  service_.bulk_get({context_, loop_}, "vault", {}, [&](Result<Secrets> got) { all = std::move(got); });
  ASSERT_TRUE(all);
  EXPECT_THAT(**all, ElementsAre(Pair("one", ElementsAre(Pair("one", "1")))));
}

TEST_F(SecretServiceTest, FailsInDaprsWords) {
  const Error unknown = get("nowhere", "k").error();
  EXPECT_EQ(unknown.reason, "ERR_SECRET_STORE_NOT_FOUND");
  EXPECT_EQ(unknown.message, "failed finding secret store with key nowhere");
  EXPECT_EQ(get("theirs", "one").error().reason, "ERR_SECRET_STORE_NOT_FOUND");
  const Error missing = get("vault", "three").error();
  EXPECT_EQ(missing.reason, "ERR_SECRET_GET");
  EXPECT_EQ(missing.message, "failed getting secret with key three from secret store vault: secret three not found");
  SecretService none;
  std::optional<Error> error;
  none.get({context_, loop_}, "vault", "k", {}, [&](const Result<Secret>& got) { error = got.error(); });
  EXPECT_EQ(error->reason, "ERR_SECRET_STORES_NOT_CONFIGURED");
}

TEST_F(SecretServiceTest, ResolvesWhatComponentsName) {
  EXPECT_EQ(*resolve("one", "one"), "1");
  EXPECT_EQ(*resolve("one", ""), "1");
  // What apps may not read, components may.
  EXPECT_EQ(*resolve("two", "two"), "2");
  EXPECT_EQ(store_->given.at("namespace"), "ns");
  EXPECT_THAT(resolve("two", "none").error().message,
              HasSubstr("secret \"two\" of secret store \"vault\" has no key \"none\""));
  EXPECT_THAT(resolve("two", "more").error().message, HasSubstr("is not there, or its key \"more\" is empty"));
  EXPECT_THAT(resolve("three", "").error().message, HasSubstr("secret store \"vault\": secret three not found"));
  EXPECT_EQ(resolve("silent", "", std::chrono::milliseconds(1)).error().code, Code::kDeadlineExceeded);
  store_->kept(Secret{});
}

TEST_F(SecretServiceTest, ANameIsGivenOnce) {
  EXPECT_FALSE(service_.add({.name = "vault", .store = std::make_unique<TestStore>()}));
}

}  // namespace
}  // namespace tandem::secrets
