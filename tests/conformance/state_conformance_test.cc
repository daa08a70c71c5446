// What every state store does, whatever it is made of and through whatever door it is reached.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "component_setup.h"
#include "components/catalog.h"
#include "config/resource_loader.h"
#include "grpc_state.h"
#include "guest_state.h"
#include "http_state.h"
#include "service_state.h"
#include "state_driver.h"
#include "way.h"

namespace tandem::conformance {
namespace {

using state::BulkGetItem;
using state::Concurrency;
using state::DeleteRequest;
using state::GetResponse;
using state::is_etag_mismatch;
using state::SetRequest;

std::unique_ptr<StateDriver> make_driver(const Way& way) {
  switch (way.door) {
    case Door::kService: return make_service_state(way.folder);
    case Door::kHttp: return make_http_state(way.folder);
    case Door::kGrpc: return make_grpc_state(way.folder);
    case Door::kGuest: return make_guest_state(way.folder);
  }
  return nullptr;
}

class StateConformance : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    if (const std::string why = why_closed(GetParam().door); !why.empty()) GTEST_SKIP() << why;
    driver_ = make_driver(GetParam());
    ASSERT_NE(driver_, nullptr);
    client_ = driver_->client("orders");
  }

  Result<void> set(std::string key, std::string value) {
    return client_->set({.key = std::move(key), .value = share(std::move(value))});
  }
  GetResponse get(std::string_view key) {
    Result<GetResponse> response = client_->get(key);
    EXPECT_TRUE(response.has_value()) << response.error().message;
    return response.value_or(GetResponse());
  }
  // "(none)" for a missing key.
  std::string value(std::string_view key) {
    const GetResponse response = get(key);
    return response.data != nullptr ? *response.data : "(none)";
  }
  // Dapr's Redis store differs from its others, and ours with it: an ETag counts only where there is a value; a first
  // write is marked and gives way to nothing but its ETag, which is no ETag failure; a write without a TTL leaves the
  // old one; and reads do not tell when a value expires.
  bool is_redis() const { return GetParam().folder == "state/redis"; }
  bool is_postgresql() const { return GetParam().folder.starts_with("state/postgresql"); }
  // An ETag that was the key's before its last write.
  std::string stale_etag(const std::string& key) {
    const std::string etag = get(key).etag;
    EXPECT_TRUE(set(key, value(key)));
    return etag;
  }
  // Asks again until the key is gone.
  bool wait_until_gone(std::string_view key) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < end) {
      if (get(key).data == nullptr) return true;
    }
    return false;
  }

  WorkFolder folder_;
  std::unique_ptr<StateDriver> driver_;
  std::unique_ptr<StateClient> client_;
};

#define NEEDS(capability) \
  if (!driver_->has(capability)) GTEST_SKIP() << "the store has no " << (capability)

#define CALLS(call) \
  if (const std::string why = driver_->lacks(call); !why.empty()) GTEST_SKIP() << why

TEST_P(StateConformance, AMissingKeyIsNoError) {
  const GetResponse response = get("missing");
  EXPECT_EQ(response.data, nullptr);
  EXPECT_EQ(response.etag, "");
}

TEST_P(StateConformance, ValuesComeBackByteForByte) {
  std::string all_bytes;
  for (int i = 0; i < 256; ++i) all_bytes.push_back(static_cast<char>(i));
  const std::vector<std::string> values = {
      "{\"a\":1,\"b\":[true,null]}", "\"text\"", "42", "null", "", "grüße 世界 🌍", all_bytes,
      std::string(1 << 20, 'x')};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::string key = "value" + std::to_string(i);
    ASSERT_TRUE(set(key, values[i]));
    ASSERT_NE(get(key).data, nullptr) << key;
    EXPECT_EQ(*get(key).data, values[i]) << key;
  }
}

TEST_P(StateConformance, KeysMayHoldAnything) {
  const std::vector<std::string> keys = {"simple", "with space", "a/b/c", "quote'\"",     "percent%20",
                                         "ключ",   "🔑",         "a|b",   "semi;colon--", std::string(1000, 'k')};
  for (const std::string& key : keys) ASSERT_TRUE(set(key, "value of " + key)) << key;
  for (const std::string& key : keys) EXPECT_EQ(value(key), "value of " + key);
}

TEST_P(StateConformance, KeysAreCaseSensitive) {
  ASSERT_TRUE(set("key", "lower"));
  ASSERT_TRUE(set("KEY", "upper"));
  EXPECT_EQ(value("key"), "lower");
  EXPECT_EQ(value("KEY"), "upper");
}

TEST_P(StateConformance, ALaterWriteWins) {
  ASSERT_TRUE(set("k", "1"));
  ASSERT_TRUE(set("k", "2"));
  EXPECT_EQ(value("k"), "2");
}

TEST_P(StateConformance, DeletedIsGoneAndDeletingNothingIsFine) {
  ASSERT_TRUE(set("k", "1"));
  ASSERT_TRUE(client_->remove({.key = "k"}));
  EXPECT_EQ(value("k"), "(none)");
  EXPECT_TRUE(client_->remove({.key = "k"}));
}

TEST_P(StateConformance, AppsDoNotSeeEachOthersKeys) {
  const auto other = driver_->client("shipping");
  ASSERT_TRUE(set("k", "orders"));
  EXPECT_EQ(other->get("k")->data, nullptr);
  ASSERT_TRUE(other->set({.key = "k", .value = share("shipping")}));
  EXPECT_EQ(value("k"), "orders");
  EXPECT_EQ(*other->get("k")->data, "shipping");
}

TEST_P(StateConformance, TheSeparatorIsNotForKeys) {
  EXPECT_EQ(set("a||b", "1").error().reason, "ERR_MALFORMED_REQUEST");
  EXPECT_EQ(client_->get("a||b").error().reason, "ERR_MALFORMED_REQUEST");
}

TEST_P(StateConformance, AnETagGuardsAWrite) {
  NEEDS("etag");
  ASSERT_TRUE(set("k", "1"));
  const std::string first = get("k").etag;
  ASSERT_NE(first, "");
  ASSERT_TRUE(client_->set({.key = "k", .value = share("2"), .etag = first}));
  const std::string second = get("k").etag;
  EXPECT_NE(second, first);
  const Result<void> stale = client_->set({.key = "k", .value = share("3"), .etag = first});
  EXPECT_TRUE(is_etag_mismatch(stale.error())) << stale.error().message;
  EXPECT_EQ(stale.error().reason, "ERR_STATE_SAVE");
  EXPECT_EQ(value("k"), "2");
  EXPECT_EQ(get("k").etag, second);
  const Result<void> missing = client_->set({.key = "missing", .value = share("1"), .etag = first});
  EXPECT_EQ(!missing && is_etag_mismatch(missing.error()), !is_redis());
  EXPECT_EQ(value("missing"), is_redis() ? "1" : "(none)");
}

TEST_P(StateConformance, AnETagGuardsADelete) {
  NEEDS("etag");
  ASSERT_TRUE(set("k", "1"));
  const std::string stale = get("k").etag;
  ASSERT_TRUE(set("k", "2"));
  const Result<void> refused = client_->remove({.key = "k", .etag = stale});
  EXPECT_TRUE(is_etag_mismatch(refused.error()));
  EXPECT_EQ(refused.error().reason, "ERR_STATE_DELETE");
  EXPECT_EQ(value("k"), "2");
  EXPECT_TRUE(client_->remove({.key = "k", .etag = get("k").etag}));
  EXPECT_EQ(value("k"), "(none)");
  const Result<void> missing = client_->remove({.key = "k", .etag = stale});
  EXPECT_EQ(!missing && is_etag_mismatch(missing.error()), !is_redis());
}

TEST_P(StateConformance, AnEmptyETagIsNone) {
  NEEDS("etag");
  ASSERT_TRUE(client_->set({.key = "k", .value = share("1"), .etag = ""}));
  ASSERT_TRUE(client_->set({.key = "k", .value = share("2"), .etag = ""}));
  EXPECT_EQ(value("k"), "2");
  EXPECT_TRUE(client_->remove({.key = "k", .etag = ""}));
}

TEST_P(StateConformance, FirstWriteWinsOnce) {
  NEEDS("etag");
  ASSERT_TRUE(client_->set({.key = "k", .value = share("first"), .concurrency = Concurrency::kFirstWrite}));
  const Result<void> second =
      client_->set({.key = "k", .value = share("second"), .concurrency = Concurrency::kFirstWrite});
  ASSERT_FALSE(second);
  // Dapr's PostgreSQL stores say of a first write that comes too late only that nothing was written.
  EXPECT_EQ(is_etag_mismatch(second.error()), !is_postgresql() && !is_redis()) << second.error().message;
  EXPECT_EQ(value("k"), "first");
  EXPECT_TRUE(client_->set(
      {.key = "k", .value = share("third"), .etag = get("k").etag, .concurrency = Concurrency::kFirstWrite}));
  const Result<void> fourth =
      client_->set({.key = "k", .value = share("fourth"), .concurrency = Concurrency::kLastWrite});
  EXPECT_EQ(fourth.has_value(), !is_redis());
  ASSERT_TRUE(client_->remove({.key = "k"}));
  EXPECT_TRUE(client_->set({.key = "k", .value = share("again"), .concurrency = Concurrency::kFirstWrite}));
}

TEST_P(StateConformance, CompareAndSwapLosesNoIncrement) {
  NEEDS("etag");
  constexpr int kThreads = 4;
  constexpr int kIncrements = 25;
  ASSERT_TRUE(set("counter", "0"));
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this] {
      const auto mine = driver_->client("orders");
      for (int done = 0; done < kIncrements;) {
        const Result<GetResponse> now = mine->get("counter");
        ASSERT_TRUE(now.has_value());
        const int next = std::stoi(*now->data) + 1;
        if (mine->set({.key = "counter", .value = share(std::to_string(next)), .etag = now->etag})) ++done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(value("counter"), std::to_string(kThreads * kIncrements));
}

TEST_P(StateConformance, BulkGetAnswersEveryKeyInOrder) {
  ASSERT_TRUE(client_->bulk_set({{.key = "a", .value = share("1")}, {.key = "b", .value = share("2")}}));
  const Result<std::vector<BulkGetItem>> items = client_->bulk_get({"b", "missing", "a", "b"});
  ASSERT_TRUE(items.has_value());
  std::vector<std::string> seen;
  for (const BulkGetItem& item : *items) {
    EXPECT_FALSE(item.error.has_value());
    seen.push_back(item.key + "=" + (item.value.data != nullptr ? *item.value.data : "(none)"));
  }
  EXPECT_THAT(seen, testing::ElementsAre("b=2", "missing=(none)", "a=1", "b=2"));
  EXPECT_EQ((*items)[0].value.etag, get("b").etag);
  EXPECT_THAT(*client_->bulk_get({}), testing::IsEmpty());
}

TEST_P(StateConformance, ABulkWriteWithOneBadETagDoesTheRest) {
  NEEDS("etag");
  ASSERT_TRUE(set("b", "old"));
  const Result<void> result = client_->bulk_set({{.key = "a", .value = share("new")},
                                                 {.key = "b", .value = share("new"), .etag = stale_etag("b")},
                                                 {.key = "c", .value = share("new")}});
  EXPECT_TRUE(is_etag_mismatch(result.error()));
  EXPECT_EQ(value("a"), "new");
  EXPECT_EQ(value("b"), "old");
  EXPECT_EQ(value("c"), "new");
}

TEST_P(StateConformance, ABulkDeleteWithOneBadETagDoesTheRest) {
  NEEDS("etag");
  CALLS(StateCall::kBulkRemove);
  ASSERT_TRUE(client_->bulk_set({{.key = "a", .value = share("1")}, {.key = "b", .value = share("2")}}));
  EXPECT_TRUE(is_etag_mismatch(client_->bulk_remove({{.key = "a"}, {.key = "b", .etag = stale_etag("b")}}).error()));
  EXPECT_EQ(value("a"), "(none)");
  EXPECT_EQ(value("b"), "2");
}

TEST_P(StateConformance, BulkDelete) {
  CALLS(StateCall::kBulkRemove);
  ASSERT_TRUE(client_->bulk_set({{.key = "a", .value = share("1")}, {.key = "b", .value = share("2")}}));
  ASSERT_TRUE(client_->bulk_remove({{.key = "a"}, {.key = "b"}, {.key = "missing"}}));
  EXPECT_EQ(value("a"), "(none)");
  EXPECT_EQ(value("b"), "(none)");
}

TEST_P(StateConformance, ATransactionDoesAllOfItInOrder) {
  NEEDS("transactional");
  ASSERT_TRUE(set("gone", "1"));
  ASSERT_TRUE(
      client_->transact({SetRequest{.key = "a", .value = share("1")}, SetRequest{.key = "a", .value = share("2")},
                         DeleteRequest{.key = "gone"}, SetRequest{.key = "b", .value = share("1")},
                         DeleteRequest{.key = "b"}, DeleteRequest{.key = "missing"}}));
  EXPECT_EQ(value("a"), "2");
  EXPECT_EQ(value("b"), "(none)");
  EXPECT_EQ(value("gone"), "(none)");
  EXPECT_TRUE(client_->transact({}));
}

TEST_P(StateConformance, AFailedTransactionDoesNothing) {
  NEEDS("transactional");
  NEEDS("etag");
  ASSERT_TRUE(set("a", "old"));
  ASSERT_TRUE(set("b", "old"));
  const Result<void> result =
      client_->transact({SetRequest{.key = "a", .value = share("new")}, DeleteRequest{.key = "b"},
                         SetRequest{.key = "c", .value = share("new")}, DeleteRequest{.key = "a", .etag = "stale"}});
  EXPECT_EQ(result.error().reason, "ERR_STATE_TRANSACTION");
  EXPECT_EQ(value("a"), "old");
  EXPECT_EQ(value("b"), "old");
  EXPECT_EQ(value("c"), "(none)");
  EXPECT_TRUE(client_->transact({SetRequest{.key = "a", .value = share("new"), .etag = get("a").etag}}));
  EXPECT_EQ(value("a"), "new");
}

TEST_P(StateConformance, AValueWithATtlExpires) {
  NEEDS("ttl");
  const auto now_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  // Both ways to say it; the short one may be over before it is looked at.
  ASSERT_TRUE(client_->set({.key = "k", .value = share("1"), .metadata = {{"ttlInSeconds", "1"}}}));
  ASSERT_TRUE(client_->set({.key = "long", .value = share("1"), .metadata = {{"ttlInSeconds", "1000"}}}));
  ASSERT_TRUE(client_->set({.key = "longer", .value = share("1"), .ttl_seconds = 2000}));
  const auto expires_in_seconds = [&](std::string_view key) {
    return static_cast<double>(get(key).expires_at_ms.value_or(0) - now_ms) / 1000;
  };
  if (!is_redis()) {
    EXPECT_NEAR(expires_in_seconds("long"), 1000, 20);
    EXPECT_NEAR(expires_in_seconds("longer"), 2000, 20);
  }
  EXPECT_TRUE(wait_until_gone("k"));
  EXPECT_EQ(value("long"), "1");
  EXPECT_EQ(value("longer"), "1");
  const Result<std::vector<BulkGetItem>> items = client_->bulk_get({"k"});
  EXPECT_EQ((*items)[0].value.data, nullptr);
  EXPECT_TRUE(client_->set({.key = "k", .value = share("2"), .concurrency = Concurrency::kFirstWrite}));
}

TEST_P(StateConformance, AWriteWithoutATtlTakesTheOldOneAway) {
  NEEDS("ttl");
  for (const std::optional<std::int64_t> ttl : {std::optional<std::int64_t>(), std::optional<std::int64_t>(-1)}) {
    ASSERT_TRUE(client_->set({.key = "k", .value = share("1"), .ttl_seconds = 100}));
    EXPECT_EQ(get("k").expires_at_ms.has_value(), !is_redis());
    ASSERT_TRUE(client_->set({.key = "k", .value = share("2"), .ttl_seconds = ttl}));
    EXPECT_FALSE(get("k").expires_at_ms.has_value());
  }
}

TEST_P(StateConformance, ATtlThatIsNoNumberIsRefused) {
  NEEDS("ttl");
  for (const char* text : {"soon", "1.5", "99999999999999999999"}) {
    const Result<void> result = client_->set({.key = "k", .value = share("1"), .metadata = {{"ttlInSeconds", text}}});
    EXPECT_EQ(result.error().reason, "ERR_STATE_SAVE") << text;
  }
  EXPECT_EQ(value("k"), "(none)");
}

// Dapr's stores differ here: what is below -1 is no TTL for those with tables, and none at all for the others.
TEST_P(StateConformance, ATtlBelowMinusOneIsDaprs) {
  NEEDS("ttl");
  const bool for_ever = is_redis() || GetParam().folder == "state/in_memory";
  const Result<void> result = client_->set({.key = "k", .value = share("1"), .metadata = {{"ttlInSeconds", "-2"}}});
  EXPECT_EQ(result.has_value(), for_ever);
  EXPECT_EQ(value("k"), for_ever ? "1" : "(none)");
  EXPECT_FALSE(get("k").expires_at_ms);
}

TEST(StateConformanceSuite, HasEveryStoreOfTheCatalog) {
  std::set<std::string> tested;  // some with several files: plain, and with encrypted values
  for (const Way& way : every_way("state")) {
    if (way.door != Door::kService) continue;
    const std::string path = std::string(TANDEM_COMPONENTS_DIR) + "/" + way.folder + "/conformance.yaml";
    std::ifstream file(path);
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    config::Resources resources;
    config::Diagnostics diagnostics;
    config::parse_resources(text, path, resources, diagnostics);
    ASSERT_EQ(resources.components.size(), 1u) << path;
    tested.insert(resources.components[0].type + "/" + resources.components[0].version);
  }
  std::vector<std::string> known;
  const components::Catalog catalog = components::Catalog::load().value();
  for (const config::ComponentSchema& schema : catalog.schemas()) {
    if (schema.type == "state") known.push_back(schema.full_type() + "/" + schema.version);
  }
  EXPECT_THAT(tested, testing::UnorderedElementsAreArray(known));
}

INSTANTIATE_TEST_SUITE_P(All, StateConformance, testing::ValuesIn(every_way("state")), test_name);

}  // namespace
}  // namespace tandem::conformance
