#include "components/state/in_memory/in_memory_state_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/testing/test_loop.h"

namespace tandem::components {
namespace {

using state::Concurrency;
using state::DeleteRequest;
using state::GetResponse;
using state::Operation;
using state::SetRequest;

class InMemoryStateStoreTest : public testing::Test {
 protected:
  Result<void> set(SetRequest request) {
    std::optional<Result<void>> result;
    store_.set(context_, std::move(request), [&](Result<void> r) { result = std::move(r); });
    return *result;
  }
  Result<void> remove(DeleteRequest request) {
    std::optional<Result<void>> result;
    store_.remove(context_, std::move(request), [&](Result<void> r) { result = std::move(r); });
    return *result;
  }
  Result<void> transact(std::vector<Operation> operations) {
    std::optional<Result<void>> result;
    store_.transact(context_, std::move(operations), [&](Result<void> r) { result = std::move(r); });
    return *result;
  }
  GetResponse get(std::string_view key) {
    std::optional<Result<GetResponse>> result;
    store_.get(context_, {.key = key}, [&](Result<GetResponse> r) { result = std::move(r); });
    return **result;
  }

  TestLoop loop_;
  std::int64_t now_ms_ = 1'700'000'000'000;
  CallContext context_;
  InMemoryStateStore store_{loop_, [this] { return now_ms_; }};
};

TEST_F(InMemoryStateStoreTest, HandsOutTheStoredBytesThemselves) {
  const SharedBytes value = share("v");
  ASSERT_TRUE(set({.key = "k", .value = value}));
  EXPECT_EQ(get("k").data.get(), value.get());
}

TEST_F(InMemoryStateStoreTest, AnEmptyValueIsNotAMissingOne) {
  ASSERT_TRUE(set({.key = "k", .value = share("")}));
  ASSERT_NE(get("k").data, nullptr);
  EXPECT_EQ(*get("k").data, "");
  EXPECT_EQ(get("other").data, nullptr);
  EXPECT_EQ(get("other").etag, "");
}

TEST_F(InMemoryStateStoreTest, ETagsNeverRepeatAlsoAfterADelete) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(set({.key = "k", .value = share("v")}));
    seen.insert(get("k").etag);
    ASSERT_TRUE(remove({.key = "k"}));
  }
  EXPECT_EQ(seen.size(), 100u);
}

TEST_F(InMemoryStateStoreTest, MismatchesSayWhat) {
  EXPECT_EQ(set({.key = "k", .value = share("v"), .etag = "x"}).error().message,
            "possible etag mismatch. error from state store: state not exist or expired for key=k");
  ASSERT_TRUE(set({.key = "k", .value = share("v")}));
  const std::string etag = get("k").etag;
  EXPECT_EQ(
      set({.key = "k", .value = share("w"), .etag = "x"}).error().message,
      "possible etag mismatch. error from state store: state etag not match for key=k: current=" + etag + ", expect=x");
  EXPECT_EQ(set({.key = "k", .value = share("w"), .concurrency = Concurrency::kFirstWrite}).error().message,
            "possible etag mismatch. error from state store: item already exists and no etag was passed");
  EXPECT_EQ(*get("k").data, "v");
}

TEST_F(InMemoryStateStoreTest, ExpiredValuesAreGoneAtOnceAndSweptLater) {
  ASSERT_TRUE(set({.key = "short", .value = share("v"), .ttl_seconds = 1}));
  ASSERT_TRUE(set({.key = "long", .value = share("v"), .ttl_seconds = 100}));
  ASSERT_TRUE(set({.key = "ever", .value = share("v"), .ttl_seconds = -1}));
  EXPECT_EQ(get("short").expires_at_ms, now_ms_ + 1000);
  EXPECT_EQ(get("ever").expires_at_ms, std::nullopt);
  now_ms_ += 1000;
  EXPECT_EQ(get("short").data, nullptr);
  EXPECT_EQ(store_.size(), 3u);
  loop_.advance(std::chrono::seconds(1));
  EXPECT_EQ(store_.size(), 2u);
  EXPECT_NE(get("long").data, nullptr);
}

TEST_F(InMemoryStateStoreTest, AnExpiredValueDoesNotStandInTheWayOfAFirstWrite) {
  ASSERT_TRUE(set({.key = "k", .value = share("old"), .ttl_seconds = 1}));
  const std::string etag = get("k").etag;
  now_ms_ += 1000;
  EXPECT_FALSE(set({.key = "k", .value = share("new"), .etag = etag}));
  ASSERT_TRUE(set({.key = "k", .value = share("new"), .concurrency = Concurrency::kFirstWrite}));
  loop_.advance(std::chrono::seconds(2));
  EXPECT_EQ(*get("k").data, "new");
}

TEST_F(InMemoryStateStoreTest, AnUpdateTakesTheOldExpiryAway) {
  ASSERT_TRUE(set({.key = "k", .value = share("v"), .ttl_seconds = 1}));
  ASSERT_TRUE(set({.key = "k", .value = share("w")}));
  now_ms_ += 5000;
  loop_.advance(std::chrono::seconds(2));
  EXPECT_EQ(*get("k").data, "w");
}

TEST_F(InMemoryStateStoreTest, ALargeSweepGoesOnUntilAllIsSwept) {
  for (int i = 0; i < 40'000; ++i) {
    ASSERT_TRUE(set({.key = "k" + std::to_string(i), .value = share("v"), .ttl_seconds = 1}));
  }
  now_ms_ += 1000;
  loop_.advance(std::chrono::milliseconds(1000));
  EXPECT_GT(store_.size(), 0u);
  loop_.advance(std::chrono::milliseconds(100));
  EXPECT_EQ(store_.size(), 0u);
}

TEST_F(InMemoryStateStoreTest, ATransactionChangesAllOrNothing) {
  ASSERT_TRUE(set({.key = "a", .value = share("1")}));
  ASSERT_TRUE(set({.key = "b", .value = share("1")}));
  const Result<void> failed = transact({SetRequest{.key = "a", .value = share("2")}, DeleteRequest{.key = "b"},
                                        SetRequest{.key = "c", .value = share("2"), .etag = "stale"}});
  EXPECT_TRUE(state::is_etag_mismatch(failed.error()));
  EXPECT_EQ(*get("a").data, "1");
  EXPECT_EQ(*get("b").data, "1");
  EXPECT_EQ(get("c").data, nullptr);

  ASSERT_TRUE(transact({SetRequest{.key = "a", .value = share("2"), .etag = get("a").etag}, DeleteRequest{.key = "b"},
                        SetRequest{.key = "c", .value = share("2")}, DeleteRequest{.key = "c"}}));
  EXPECT_EQ(*get("a").data, "2");
  EXPECT_EQ(get("b").data, nullptr);
  EXPECT_EQ(get("c").data, nullptr);
}

TEST_F(InMemoryStateStoreTest, TransactionsOnTheSameKeysFromManyThreadsLoseNothing) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 300;
  ASSERT_TRUE(set({.key = "left", .value = share("0")}));
  ASSERT_TRUE(set({.key = "right", .value = share("0")}));
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t] {
      for (int done = 0; done < kRounds;) {
        const GetResponse left = get("left");
        const GetResponse right = get("right");
        SetRequest one{.key = "left", .value = share(std::to_string(std::stoi(*left.data) + 1)), .etag = left.etag};
        SetRequest two{.key = "right", .value = share(std::to_string(std::stoi(*right.data) + 1)), .etag = right.etag};
        std::vector<Operation> operations;
        if (t % 2 == 0) {
          operations = {std::move(one), std::move(two)};
        } else {
          operations = {std::move(two), std::move(one)};
        }
        if (transact(std::move(operations))) ++done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(*get("left").data, std::to_string(kThreads * kRounds));
  EXPECT_EQ(*get("right").data, std::to_string(kThreads * kRounds));
}

TEST_F(InMemoryStateStoreTest, TheSweepEndsWithTheStore) {
  TestLoop loop;
  {
    InMemoryStateStore store(loop);
  }
  EXPECT_EQ(loop.timers(), 1u);
  loop.advance(std::chrono::seconds(1));
  EXPECT_EQ(loop.timers(), 0u);
}

}  // namespace
}  // namespace tandem::components
