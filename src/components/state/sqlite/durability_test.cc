// What state.sqlite promises when things go wrong: power failure, full disk, failing syncs, one bad request among good
// ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/testing/test_loop.h"
#include "components/state/sqlite/fault_vfs.h"
#include "components/state/sqlite/sqlite_state_store.h"

namespace tandem::components {
namespace {

using state::SetRequest;

constexpr std::string_view kWal = "-wal";

class DurabilityTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  void open(bool disable_wal = false) {
    auto opened = SqliteStateStore::open(
        {.connection_string = folder_ + "/state.db", .disable_wal = disable_wal, .vfs = vfs_.name()},
        [](const std::string&) {});
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    store_ = std::move(*opened);
  }

  // Starts a write; its result appears in the slot that is returned.
  using Slot = std::shared_ptr<std::optional<Result<void>>>;
  Slot start_set(SetRequest request) {
    auto slot = std::make_shared<std::optional<Result<void>>>();
    store_->set(context_, std::move(request), [this, slot](Result<void> result) {
      loop_.post([slot, result = std::move(result)]() mutable { *slot = std::move(result); });
    });
    return slot;
  }
  Result<void> finish(const Slot& slot) {
    EXPECT_TRUE(loop_.run_until([&] { return slot->has_value(); }));
    return **slot;
  }
  Result<void> set(SetRequest request) { return finish(start_set(std::move(request))); }
  Result<state::GetResponse> get(const std::string& key) {
    auto slot = std::make_shared<std::optional<Result<state::GetResponse>>>();
    store_->get(context_, {.key = key}, [this, slot](Result<state::GetResponse> result) {
      loop_.post([slot, result = std::move(result)]() mutable { *slot = std::move(result); });
    });
    EXPECT_TRUE(loop_.run_until([&] { return slot->has_value(); }));
    return **slot;
  }
  std::string value_of(const std::string& key) {
    const Result<state::GetResponse> response = get(key);
    return response && response->data != nullptr ? *response->data : "(none)";
  }

  // Threads write rising numbers until the power fails; then every acknowledged number must be there.
  void write_until_the_power_fails(int seed, bool disable_wal);

  const std::string folder_ =
      testing::TempDir() + "durability_" + std::to_string(::getpid()) + "_" + std::to_string(unique_++);
  static inline int unique_ = 0;
  TestLoop loop_;
  CallContext context_;
  FaultVfs vfs_{"fault-durability"};
  std::unique_ptr<SqliteStateStore> store_;
};

void DurabilityTest::write_until_the_power_fails(int seed, bool disable_wal) {
  constexpr int kKeys = 8;
  open(disable_wal);
  std::mutex mutex;
  std::map<std::string, int> acknowledged;
  std::atomic<int> count = 0;
  std::atomic<int> running = 0;

  // Each key has one write under way; its completion starts the next.
  std::function<void(std::string, int)> write = [&](std::string key, int number) {
    SetRequest request{.key = key, .value = share(std::to_string(number) + std::string(500, 'x'))};
    store_->set(context_, std::move(request), [&, key, number](Result<void> result) {
      if (!result) {
        --running;
        return;
      }
      {
        std::lock_guard lock(mutex);
        acknowledged[key] = number;
      }
      ++count;
      write(key, number + 1);
    });
  };
  running = kKeys;
  for (int k = 0; k < kKeys; ++k) write("key" + std::to_string(k), 1);
  // The moment of the cut differs: before, during and after checkpoints of the log.
  const int moment = 200 + seed * 577;
  ASSERT_TRUE(loop_.run_until([&] { return count > moment; }));
  vfs_.cut();
  ASSERT_TRUE(loop_.run_until([&] { return running == 0; }));
  store_.reset();
  vfs_.restore(static_cast<std::uint64_t>(seed));

  open(disable_wal);
  ASSERT_EQ(acknowledged.size(), static_cast<std::size_t>(kKeys));
  for (const auto& [key, number] : acknowledged) {
    const std::string value = value_of(key);
    ASSERT_NE(value, "(none)") << key;
    EXPECT_GE(std::stoi(value), number) << key;
    EXPECT_LE(std::stoi(value), number + 1) << key;
  }
  EXPECT_TRUE(set({.key = "after", .value = share("life goes on")}));
  EXPECT_EQ(value_of("after"), "life goes on");
}

TEST_P(DurabilityTest, EveryAcknowledgedWriteSurvivesAPowerFailure) { write_until_the_power_fails(GetParam(), false); }

TEST_P(DurabilityTest, TheSameWithARollbackJournal) { write_until_the_power_fails(GetParam(), true); }

INSTANTIATE_TEST_SUITE_P(Seeds, DurabilityTest, testing::Range(0, 6));

TEST_F(DurabilityTest, WaitingWritesShareOneSyncAndABadOneFailsAlone) {
  open();
  ASSERT_TRUE(set({.key = "b", .value = share("old")}));
  const std::string etag = get("b")->etag;
  // The first write's commit is held on the disk; what comes meanwhile is one group.
  vfs_.hold_syncs();
  const Slot first = start_set({.key = "first", .value = share("1")});
  vfs_.wait_for_held_sync();
  const int syncs = vfs_.syncs(kWal);
  const Slot a = start_set({.key = "a", .value = share("new")});
  const Slot stale = start_set({.key = "b", .value = share("stale"), .etag = "not the etag"});
  const Slot exists = start_set({.key = "b", .value = share("second"), .concurrency = state::Concurrency::kFirstWrite});
  const Slot b = start_set({.key = "b", .value = share("new"), .etag = etag});
  auto half = std::make_shared<std::optional<Result<void>>>();
  store_->transact(
      context_, {SetRequest{.key = "c", .value = share("half")}, SetRequest{.key = "a", .etag = "stale"}},
      [&, half](Result<void> r) { loop_.post([half, r = std::move(r)]() mutable { *half = std::move(r); }); });
  const Slot c = start_set({.key = "d", .value = share("new")});
  vfs_.release_syncs();

  EXPECT_TRUE(finish(first));
  EXPECT_TRUE(finish(a));
  EXPECT_TRUE(state::is_etag_mismatch(finish(stale).error()));
  EXPECT_TRUE(state::is_etag_mismatch(finish(exists).error()));
  EXPECT_TRUE(finish(b));
  EXPECT_TRUE(state::is_etag_mismatch(finish(half).error()));
  EXPECT_TRUE(finish(c));
  EXPECT_EQ(vfs_.syncs(kWal), syncs + 2);  // the first one's, and the group's
  EXPECT_EQ(value_of("a"), "new");
  EXPECT_EQ(value_of("b"), "new");
  EXPECT_EQ(value_of("c"), "(none)");
  EXPECT_EQ(value_of("d"), "new");
}

TEST_F(DurabilityTest, NothingIsAcknowledgedBeforeItsSync) {
  open();
  vfs_.hold_syncs();
  const Slot slot = start_set({.key = "k", .value = share("v")});
  vfs_.wait_for_held_sync();
  loop_.run_ready();
  EXPECT_FALSE(slot->has_value());
  vfs_.release_syncs();
  EXPECT_TRUE(finish(slot));
}

TEST_F(DurabilityTest, AFullDiskIsSaidAndOutlived) {
  open();
  ASSERT_TRUE(set({.key = "before", .value = share("v")}));
  vfs_.fill_disk();
  const Slot one = start_set({.key = "k1", .value = share(std::string(100'000, 'x'))});
  const Slot two = start_set({.key = "k2", .value = share("v")});
  for (const Slot& slot : {one, two}) {
    const Result<void> result = finish(slot);
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, Code::kResourceExhausted);
    EXPECT_THAT(result.error().message, testing::HasSubstr(folder_ + "/state.db"));
    EXPECT_THAT(result.error().message, testing::HasSubstr("database or disk is full"));
  }
  EXPECT_EQ(value_of("before"), "v");
  EXPECT_EQ(value_of("k1"), "(none)");

  vfs_.free_disk();
  EXPECT_TRUE(set({.key = "k1", .value = share("v")}));
  EXPECT_EQ(value_of("k1"), "v");
  vfs_.cut();
  store_.reset();
  vfs_.restore(0);
  open();
  EXPECT_EQ(value_of("k1"), "v");
}

TEST_F(DurabilityTest, ACommitThatCannotBeSyncedFailsEverybodyInIt) {
  open();
  ASSERT_TRUE(set({.key = "k", .value = share("old")}));
  vfs_.hold_syncs();
  const Slot first = start_set({.key = "x", .value = share("1")});
  vfs_.wait_for_held_sync();
  const Slot a = start_set({.key = "k", .value = share("new")});
  const Slot b = start_set({.key = "y", .value = share("new")});
  vfs_.fail_next_sync();
  vfs_.release_syncs();
  // The sync that was held is the one that fails; the group behind it is a new transaction.
  EXPECT_EQ(finish(first).error().code, Code::kInternal);
  EXPECT_TRUE(finish(a));
  EXPECT_TRUE(finish(b));
  EXPECT_EQ(value_of("x"), "(none)");
  EXPECT_EQ(value_of("k"), "new");
}

}  // namespace
}  // namespace tandem::components
