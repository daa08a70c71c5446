// State encryption as daprd has it: values made by Go's crypto/cipher, the way daprd lays them out, are read here.

#include "policy/encrypted_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "config/resource_loader.h"

namespace tandem::policy {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

std::string counting(std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(i));
  return bytes;
}

// A map of what was really stored.
class MapStore final : public state::Store {
 public:
  explicit MapStore(std::map<std::string, std::string>& values) : values_(values) {}

  state::Features features() const override { return {.transactional = true}; }
  bool in_place() const override { return true; }
  void ping(const CallContext&, Completion<void> done) override { done({}); }
  void get(const CallContext&, const state::GetRequest& request, Completion<state::GetResponse> done) override {
    const auto found = values_.find(std::string(request.key));
    state::GetResponse response{.data = {}, .etag = "7", .expires_at_ms = {}};
    if (found != values_.end()) response.data = share(found->second);
    done(std::move(response));
  }
  void set(const CallContext&, state::SetRequest request, Completion<void> done) override {
    EXPECT_EQ(request.form, state::ValueForm::kBytes);
    values_[request.key] = *request.value;
    done({});
  }
  void remove(const CallContext&, state::DeleteRequest request, Completion<void> done) override {
    values_.erase(request.key);
    done({});
  }
  void transact(const CallContext& context, std::vector<state::Operation> operations, Completion<void> done) override {
    for (state::Operation& operation : operations) {
      if (auto* write = std::get_if<state::SetRequest>(&operation)) set(context, std::move(*write), [](Status) {});
      if (auto* gone = std::get_if<state::DeleteRequest>(&operation)) values_.erase(gone->key);
    }
    done({});
  }

 private:
  std::map<std::string, std::string>& values_;
};

class EncryptedStoreTest : public testing::Test {
 protected:
  EncryptedStore store(EncryptionKeys keys) {
    return {std::make_unique<MapStore>(values_), StateCipher(std::move(keys), "vault")};
  }
  static EncryptionKeys keys(std::string name, std::size_t size) {
    return {.primary = {std::move(name), counting(size)}, .secondary = {}};
  }
  Result<std::string> get(EncryptedStore& store, std::string_view key) {
    Result<std::string> value = fail(Code::kNotFound, "no answer");
    store.get(context_, {.key = key}, [&](Result<state::GetResponse> response) {
      if (!response) {
        value = fail(std::move(response.error()));
      } else {
        value = response->data == nullptr ? "(none)" : *response->data;
      }
    });
    return value;
  }
  Status set(EncryptedStore& store, std::string key, std::string value) {
    Status status = fail(Code::kNotFound, "no answer");
    store.set(context_, {.key = std::move(key), .value = share(std::move(value)), .form = state::ValueForm::kJson},
              [&](Status done) { status = std::move(done); });
    return status;
  }

  std::map<std::string, std::string> values_;
  CallContext context_{.app_id = "orders"};
};

TEST_F(EncryptedStoreTest, ReadsWhatDaprdWrites) {
  const std::pair<std::size_t, const char*> written[] = {
      {16, "QEFCQ0RFRkdISUpLQgsGuAkui5K2iHRiSk9E5Wf+2WhuQ/+B6JFAog==||orders-key"},
      {24, "QEFCQ0RFRkdISUpLXS4zCPUyKpfXIrLBW4y804ZWeWkN2BRNKE9GIg==||orders-key"},
      {32, "QEFCQ0RFRkdISUpLmZvBUUJZ9SH39SBLF+EfZaybgO+OmKFnUHTqRQ==||orders-key"},
  };
  for (const auto& [size, value] : written) {
    values_["k"] = value;
    EncryptedStore encrypted = store(keys("orders-key", size));
    EXPECT_EQ(get(encrypted, "k").value_or("failed"), "{\"order\":17}") << size;
  }
  // By daprd 1.18.1 itself, whose HTTP API takes the quotes off a text.
  values_["k"] = "mmF9Oih71R798OEFiV8VV+FfGkRueBqfiLWGovQevcwy||OLD_KEY";
  EncryptedStore encrypted = store(keys("OLD_KEY", 16));
  EXPECT_EQ(get(encrypted, "k").value_or("failed"), "hello");
}

TEST_F(EncryptedStoreTest, StoresNothingInTheClearAndNothingTwiceTheSame) {
  EncryptedStore encrypted = store(keys("orders-key", 32));
  for (const std::string& value :
       {std::string("{\"order\":17}"), std::string(), counting(256), std::string(70'000, 'x')}) {
    ASSERT_TRUE(set(encrypted, "a", value));
    ASSERT_TRUE(set(encrypted, "b", value));
    EXPECT_EQ(get(encrypted, "a").value_or("failed"), value);
    EXPECT_NE(values_["a"], values_["b"]);
    EXPECT_THAT(values_["a"], EndsWith("||orders-key"));
    EXPECT_THAT(values_["a"], Not(HasSubstr("order\"")));
    // nonce, ciphertext and tag, in base64
    EXPECT_EQ(values_["a"].size(), (12 + value.size() + 16 + 2) / 3 * 4 + std::string("||orders-key").size());
  }
  EXPECT_EQ(get(encrypted, "missing").value_or("failed"), "(none)");
}

TEST_F(EncryptedStoreTest, AnOlderKeyStillReads) {
  EncryptedStore before = store(keys("old", 16));
  ASSERT_TRUE(set(before, "k", "1"));
  EncryptedStore after = store({.primary = {"new", counting(32)}, .secondary = EncryptionKey{"old", counting(16)}});
  EXPECT_EQ(get(after, "k").value_or("failed"), "1");
  ASSERT_TRUE(set(after, "k", "2"));
  EXPECT_THAT(values_["k"], EndsWith("||new"));
  EXPECT_EQ(get(after, "k").value_or("failed"), "2");
  EXPECT_FALSE(get(before, "k"));
}

TEST_F(EncryptedStoreTest, SaysWhyAValueCannotBeRead) {
  EncryptedStore encrypted = store(keys("key", 32));
  ASSERT_TRUE(set(encrypted, "good", "text"));
  std::string changed = values_["good"];
  changed[20] = changed[20] == 'A' ? 'B' : 'A';
  const std::pair<std::string, const char*> bad[] = {
      {"in the clear", "could not decrypt data for state store vault: encryption key name not found on record"},
      {"YQ==||", "could not decrypt data for state store vault: encryption key name not found on record"},
      {"YQ==||other", "no key of the component is named \"other\""},
      {"YQ==||key", "the value is too short"},
      {"{}||key", "could not decrypt data for state store vault: base64"},
      {changed, "cipher: message authentication failed"},
  };
  for (const auto& [value, why] : bad) {
    values_["k"] = value;
    const auto got = get(encrypted, "k");
    ASSERT_FALSE(got) << value;
    EXPECT_THAT(got.error().message, HasSubstr(why));
    EXPECT_EQ(got.error().code, Code::kInternal);
  }
  values_["k"] = "";
  EXPECT_EQ(get(encrypted, "k").value_or("failed"), "");
}

TEST_F(EncryptedStoreTest, ABulkReadFailsByTheItem) {
  EncryptedStore encrypted = store(keys("key", 16));
  ASSERT_TRUE(set(encrypted, "good", "1"));
  values_["bad"] = "in the clear";
  std::vector<state::BulkGetItem> items;
  encrypted.bulk_get(context_, {"good", "bad", "missing"}, [&](auto got) { items = std::move(*got); });
  ASSERT_EQ(items.size(), 3u);
  EXPECT_EQ(*items[0].value.data, "1");
  EXPECT_EQ(items[0].value.etag, "7");
  ASSERT_TRUE(items[1].error);
  EXPECT_EQ(items[1].value.data, nullptr);
  EXPECT_FALSE(items[2].error);
  EXPECT_EQ(items[2].value.data, nullptr);
}

TEST_F(EncryptedStoreTest, BulkWritesAndTransactionsAreEncrypted) {
  EncryptedStore encrypted = store(keys("key", 24));
  std::vector<state::SetRequest> writes;
  writes.push_back({.key = "a", .value = share("1")});
  writes.push_back({.key = "b", .value = share("2")});
  encrypted.bulk_set(context_, std::move(writes), [](Status status) { EXPECT_TRUE(status); });
  std::vector<state::Operation> operations;
  operations.emplace_back(state::SetRequest{.key = "c", .value = share("3")});
  operations.emplace_back(state::DeleteRequest{.key = "a"});
  encrypted.transact(context_, std::move(operations), [](Status status) { EXPECT_TRUE(status); });
  EXPECT_EQ(values_.size(), 2u);
  for (const auto& [key, value] : values_) EXPECT_THAT(value, EndsWith("||key")) << key;
  EXPECT_EQ(get(encrypted, "b").value_or("failed"), "2");
  EXPECT_EQ(get(encrypted, "c").value_or("failed"), "3");
}

class EncryptionKeysTest : public testing::Test {
 protected:
  config::Component component(const std::string& metadata) {
    config::Resources resources;
    config::parse_resources(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: vault}\nspec:\n  type: state.in-memory\n"
        "  version: v1\n  metadata:\n" +
            metadata,
        "vault.yaml", resources, diagnostics_);
    config::Component one = resources.components.at(0);
    config::resolve_secrets(
        one,
        [](const std::string&, const config::SecretKeyRef& ref) -> Result<std::string> {
          if (ref.name == "empty") return std::string();
          return std::string(ref.name == "long" ? 64 : 32, 'a');
        },
        diagnostics_);
    return one;
  }

  config::Diagnostics diagnostics_;
};

TEST_F(EncryptionKeysTest, TheSecretNamesTheKey) {
  const auto keys =
      read_encryption_keys(component("  - {name: primaryEncryptionKey, secretKeyRef: {name: long, key: aes}}\n"
                                     "  - {name: secondaryEncryptionKey, secretKeyRef: {name: short}}\n"),
                           diagnostics_);
  ASSERT_TRUE(keys) << diagnostics_.to_string();
  EXPECT_EQ(keys->primary.name, "long");
  EXPECT_EQ(keys->primary.bytes, std::string(32, '\xaa'));
  ASSERT_TRUE(keys->secondary);
  EXPECT_EQ(keys->secondary->name, "short");
  EXPECT_EQ(keys->secondary->bytes.size(), 16u);
  EXPECT_EQ(diagnostics_.to_string(), "");
}

TEST_F(EncryptionKeysTest, APlainKeyIsNamedByItsFingerprint) {
  const std::string key(32, 'b');
  const auto first =
      read_encryption_keys(component("  - {name: primaryEncryptionKey, value: " + key + "}\n"), diagnostics_);
  const auto rotated = read_encryption_keys(component("  - {name: primaryEncryptionKey, secretKeyRef: {name: long}}\n"
                                                      "  - {name: secondaryEncryptionKey, value: " +
                                                      key + "}\n"),
                                            diagnostics_);
  ASSERT_TRUE(first && rotated && rotated->secondary);
  EXPECT_THAT(first->primary.name, ::testing::StartsWith("sha256-"));
  EXPECT_EQ(first->primary.name, rotated->secondary->name);
  EXPECT_EQ(diagnostics_.error_count(), 0u);
  EXPECT_THAT(diagnostics_.to_string(), HasSubstr("primaryEncryptionKey is not a secretKeyRef"));
}

TEST_F(EncryptionKeysTest, SaysWhatIsWrong) {
  EXPECT_FALSE(read_encryption_keys(component("  - {name: keyPrefix, value: none}\n"), diagnostics_));
  EXPECT_EQ(diagnostics_.to_string(), "");
  EXPECT_FALSE(read_encryption_keys(component("  - {name: primaryEncryptionKey, value: xyz}\n"), diagnostics_));
  EXPECT_FALSE(read_encryption_keys(component("  - {name: primaryEncryptionKey, value: abcdef}\n"), diagnostics_));
  EXPECT_FALSE(
      read_encryption_keys(component("  - {name: primaryEncryptionKey, secretKeyRef: {name: empty}}\n"), diagnostics_));
  EXPECT_EQ(diagnostics_.error_count(), 3u);
  EXPECT_FALSE(read_encryption_keys(component("  - {name: secondaryEncryptionKey, secretKeyRef: {name: long}}\n"),
                                    diagnostics_));
  EXPECT_EQ(diagnostics_.error_count(), 3u);
  const std::string text = diagnostics_.to_string();
  EXPECT_THAT(text, HasSubstr("vault.yaml:8"));
  EXPECT_THAT(text, HasSubstr("must be hexadecimal digits"));
  EXPECT_THAT(text, HasSubstr("an AES key has 16, 24 or 32 bytes, this one 3"));
  EXPECT_THAT(text, HasSubstr("encryption key cannot be empty"));
  EXPECT_THAT(text, HasSubstr("values are not encrypted"));
}

TEST_F(EncryptionKeysTest, OnlyAStoreWithKeysIsWrapped) {
  std::map<std::string, std::string> values;
  auto plain = std::make_unique<MapStore>(values);
  const state::Store* address = plain.get();
  EXPECT_EQ(encrypt_values(std::move(plain), component("  - {name: keyPrefix, value: none}\n"), diagnostics_).get(),
            address);
  const auto wrapped =
      encrypt_values(std::make_unique<MapStore>(values),
                     component("  - {name: primaryEncryptionKey, secretKeyRef: {name: long}}\n"), diagnostics_);
  EXPECT_NE(dynamic_cast<EncryptedStore*>(wrapped.get()), nullptr);
}

}  // namespace
}  // namespace tandem::policy
