#include "components/state/sqlite/sqlite_state_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/testing/test_loop.h"
#include "components/state/sqlite/fault_vfs.h"

namespace tandem::components {
namespace {

using state::BulkGetItem;
using state::GetResponse;
using state::SetRequest;
using testing::HasSubstr;

class SqliteStateStoreTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  Status try_open(SqliteOptions options) {
    store_.reset();
    auto opened = SqliteStateStore::open(options, [this](const std::string& text) { warnings_.push_back(text); });
    if (!opened) return fail(opened.error());
    store_ = std::move(*opened);
    return {};
  }
  void open(SqliteOptions options = {}) {
    if (options.connection_string.empty()) options.connection_string = path_;
    const Status status = try_open(std::move(options));
    ASSERT_TRUE(status.has_value()) << status.error().message;
  }

  template <class T, class Call>
  Result<T> wait(Call call) {
    auto slot = std::make_shared<std::optional<Result<T>>>();
    call([this, slot](Result<T> result) {
      loop_.post([slot, result = std::move(result)]() mutable { *slot = std::move(result); });
    });
    EXPECT_TRUE(loop_.run_until([&] { return slot->has_value(); }));
    return std::move(**slot);
  }
  Result<void> set(SetRequest request) {
    return wait<void>([&](Completion<void> done) { store_->set(context_, std::move(request), std::move(done)); });
  }
  GetResponse get(const std::string& key) {
    Result<GetResponse> response =
        wait<GetResponse>([&](Completion<GetResponse> done) { store_->get(context_, {.key = key}, std::move(done)); });
    EXPECT_TRUE(response.has_value());
    return response.value_or(GetResponse());
  }

  // Runs SQL on the file with a connection of its own; the first column of every row.
  std::vector<std::string> sql(const std::string& text) {
    sqlite3* handle = nullptr;
    std::vector<std::string> rows;
    EXPECT_EQ(sqlite3_open(path_.c_str(), &handle), SQLITE_OK);
    sqlite3_busy_timeout(handle, 5000);
    EXPECT_EQ(sqlite3_exec(
                  handle, text.c_str(),
                  [](void* to, int, char** values, char**) {
                    static_cast<std::vector<std::string>*>(to)->push_back(values[0] != nullptr ? values[0] : "NULL");
                    return 0;
                  },
                  &rows, nullptr),
              SQLITE_OK)
        << sqlite3_errmsg(handle);
    sqlite3_close(handle);
    return rows;
  }

  const std::string folder_ = testing::TempDir() + "sqlite_store_" + std::to_string(::getpid());
  const std::string path_ = folder_ + "/state.db";
  TestLoop loop_;
  CallContext context_;
  std::vector<std::string> warnings_;
  std::unique_ptr<SqliteStateStore> store_;
};

TEST_F(SqliteStateStoreTest, ValuesOutliveTheProcess) {
  open();
  ASSERT_TRUE(set({.key = "k", .value = share("v")}));
  const std::string etag = get("k").etag;
  open();
  EXPECT_EQ(*get("k").data, "v");
  EXPECT_EQ(get("k").etag, etag);
  EXPECT_THAT(etag, testing::MatchesRegex("[0-9a-f-]{36}"));
}

TEST_F(SqliteStateStoreTest, AnyBytesComeBackAsTheyWere) {
  open();
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  for (const std::string& value :
       {std::string(), std::string("{\"a\": 1}"), std::string("grüße, 世界 🌍"), all, std::string("nul\0inside", 10),
        std::string("\xc3"), std::string("\xed\xa0\x80"), std::string("\xc0\xaf"), std::string(3'000'000, 'x')}) {
    ASSERT_TRUE(set({.key = "k", .value = share(value)}));
    ASSERT_NE(get("k").data, nullptr);
    EXPECT_EQ(*get("k").data, value);
  }
}

TEST_F(SqliteStateStoreTest, WritesTheRowsThatDaprWrites) {
  open();
  ASSERT_TRUE(set({.key = "orders||json", .value = share("{\"a\":1}")}));
  ASSERT_TRUE(set({.key = "orders||bytes", .value = share("\xff\xfe")}));
  ASSERT_TRUE(set({.key = "orders||ttl", .value = share("1"), .ttl_seconds = 60}));
  EXPECT_THAT(sql("SELECT value || '|' || is_binary || '|' || typeof(is_binary) FROM state ORDER BY key"),
              testing::ElementsAre("//4=|1|integer", "{\"a\":1}|0|integer", "1|0|integer"));
  EXPECT_THAT(sql("SELECT strftime('%s', expiration_time) - strftime('%s', update_time) FROM state ORDER BY key"),
              testing::ElementsAre("NULL", "NULL", "60"));
  EXPECT_THAT(sql("SELECT length(expiration_time) FROM state WHERE key LIKE '%ttl'"), testing::ElementsAre("19"));
  EXPECT_THAT(sql("SELECT value FROM metadata WHERE key = 'migrations'"), testing::ElementsAre("1"));
  EXPECT_THAT(sql("PRAGMA journal_mode"), testing::ElementsAre("wal"));
}

TEST_F(SqliteStateStoreTest, ReadsAFileOfDaprs) {
  sql("CREATE TABLE metadata (key text NOT NULL PRIMARY KEY, value text NOT NULL);"
      "CREATE TABLE state (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL, is_binary BOOLEAN NOT NULL,"
      " etag TEXT NOT NULL, expiration_time TIMESTAMP DEFAULT NULL,"
      " update_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);"
      "INSERT INTO metadata VALUES ('migrations', '1');"
      "INSERT INTO state (key, value, is_binary, etag) VALUES ('a', '{\"x\":1}', 0, 'e1'), ('b', '/wA=', 1, 'e2');"
      "INSERT INTO state (key, value, is_binary, etag, expiration_time) VALUES"
      " ('gone', '1', 0, 'e3', '2001-01-01 00:00:00'), ('later', '1', 0, 'e4', '2100-01-01 00:00:00')");
  open();
  EXPECT_EQ(*get("a").data, "{\"x\":1}");
  EXPECT_EQ(get("a").etag, "e1");
  EXPECT_EQ(*get("b").data, std::string("\xff\0", 2));
  EXPECT_EQ(get("gone").data, nullptr);
  EXPECT_EQ(get("later").expires_at_ms, 4'102'444'800'000);
  EXPECT_TRUE(set({.key = "a", .value = share("2"), .etag = "e1"}));
}

TEST_F(SqliteStateStoreTest, TwoStoresShareAFile) {
  open();
  auto other = SqliteStateStore::open({.connection_string = path_}, [](const std::string&) {});
  ASSERT_TRUE(other.has_value()) << other.error().message;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(set({.key = "mine", .value = share(std::to_string(i))}));
    const Result<void> theirs = wait<void>([&](Completion<void> done) {
      (*other)->set(context_, {.key = "theirs", .value = share(std::to_string(i))}, std::move(done));
    });
    ASSERT_TRUE(theirs.has_value()) << theirs.error().message;
  }
  EXPECT_EQ(*get("theirs").data, "49");
}

TEST_F(SqliteStateStoreTest, ALockThatStaysIsAnErrorAndNotTheEnd) {
  open({.busy_timeout = std::chrono::milliseconds(20)});
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &handle), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(handle, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  const Result<void> blocked = set({.key = "k", .value = share("v")});
  EXPECT_EQ(blocked.error().code, Code::kUnavailable);
  EXPECT_THAT(blocked.error().message, HasSubstr("database is locked"));
  ASSERT_EQ(sqlite3_exec(handle, "ROLLBACK", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(handle);
  EXPECT_TRUE(set({.key = "k", .value = share("v")}));
}

TEST_F(SqliteStateStoreTest, TimePassesForValuesWithATtl) {
  FaultVfs vfs("fault-ttl");
  vfs.set_time(1'700'000'000);
  open({.connection_string = path_, .vfs = vfs.name()});
  ASSERT_TRUE(set({.key = "k", .value = share("v"), .ttl_seconds = 10}));
  ASSERT_TRUE(set({.key = "ever", .value = share("v"), .ttl_seconds = -1}));
  const std::string etag = get("k").etag;
  EXPECT_EQ(get("k").expires_at_ms, 1'700'000'010'000);
  EXPECT_EQ(get("ever").expires_at_ms, std::nullopt);
  vfs.set_time(1'700'000'010);
  EXPECT_EQ(get("k").data, nullptr);
  EXPECT_FALSE(set({.key = "k", .value = share("w"), .etag = etag}));
  EXPECT_TRUE(set({.key = "k", .value = share("w"), .concurrency = state::Concurrency::kFirstWrite}));
  EXPECT_EQ(*get("k").data, "w");
  EXPECT_EQ(get("k").expires_at_ms, std::nullopt);
  store_.reset();
}

TEST_F(SqliteStateStoreTest, TheCleanUpRemovesExpiredRowsAndNoOthers) {
  FaultVfs vfs("fault-cleanup");
  vfs.set_time(1'700'000'000);
  open({.connection_string = path_, .cleanup_interval = std::chrono::milliseconds(110), .vfs = vfs.name()});
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(set({.key = "short" + std::to_string(i), .value = share("v"), .ttl_seconds = 1}));
  }
  ASSERT_TRUE(set({.key = "long", .value = share("v"), .ttl_seconds = 1000}));
  ASSERT_TRUE(set({.key = "ever", .value = share("v")}));
  vfs.set_time(1'700'000'100);
  EXPECT_TRUE(loop_.run_until([&] { return sql("SELECT count(*) FROM state").front() == "2"; }));
  EXPECT_THAT(sql("SELECT value FROM metadata WHERE key = 'last-cleanup'"), testing::SizeIs(1));
  EXPECT_THAT(warnings_, testing::IsEmpty());
  store_.reset();
}

TEST_F(SqliteStateStoreTest, ADatabaseInMemoryWorksTheSame) {
  for (const char* connection : {":memory:", "file::memory:?cache=shared"}) {
    open({.connection_string = connection});
    ASSERT_TRUE(set({.key = "k", .value = share("v")}));
    EXPECT_EQ(*get("k").data, "v");
    const auto items = wait<std::vector<BulkGetItem>>(
        [&](Completion<std::vector<BulkGetItem>> done) { store_->bulk_get(context_, {"x", "k"}, std::move(done)); });
    ASSERT_EQ(items->size(), 2u);
    EXPECT_EQ(*(*items)[1].value.data, "v");
  }
}

TEST_F(SqliteStateStoreTest, ConnectionStrings) {
  open({.connection_string = "file:" + path_ + "?_pragma=cache_size(-100)&_txlock=immediate"});
  ASSERT_TRUE(set({.key = "k", .value = share("v")}));
  open({.connection_string = path_ + "?mode=ro"});
  EXPECT_EQ(*get("k").data, "v");
  const Result<void> refused = set({.key = "k", .value = share("w")});
  EXPECT_EQ(refused.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(refused.error().message, HasSubstr("readonly"));
  // A plain path is not a URI.
  open({.connection_string = folder_ + "/100%25#odd.db"});
  ASSERT_TRUE(set({.key = "k", .value = share("v")}));
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/100%25#odd.db"));
}

TEST_F(SqliteStateStoreTest, WrongOptionsAreNamed) {
  const auto message = [this](SqliteOptions options) { return try_open(std::move(options)).error().message; };
  EXPECT_EQ(message({}), "connectionString: missing");
  EXPECT_THAT(message({.connection_string = path_, .timeout = std::chrono::milliseconds(500)}), HasSubstr("timeout"));
  EXPECT_THAT(message({.connection_string = path_, .table_name = "a; drop"}),
              HasSubstr("tableName: invalid identifier"));
  EXPECT_THAT(message({.connection_string = path_, .metadata_table_name = ""}), HasSubstr("metadataTableName"));
  EXPECT_THAT(message({.connection_string = path_ + "?_pragma=journal_mode(off)"}), HasSubstr("disableWAL"));
  EXPECT_THAT(message({.connection_string = path_ + "?_pragma=busy_timeout(1)"}), HasSubstr("busyTimeout"));
  EXPECT_THAT(message({.connection_string = path_ + "?_pragma=x%3B+drop"}), HasSubstr("not a pragma"));
  EXPECT_THAT(message({.connection_string = folder_ + "/no/such/folder.db"}),
              HasSubstr("the folder \"" + folder_ + "/no/such\" does not exist"));
  EXPECT_THAT(message({.connection_string = folder_}), HasSubstr("it is a folder"));
}

TEST_F(SqliteStateStoreTest, AFileThatIsNoDatabaseIsSaid) {
  std::filesystem::create_directories(folder_);
  FILE* file = std::fopen(path_.c_str(), "w");
  std::fputs(std::string(5000, 'x').c_str(), file);
  std::fclose(file);
  const Status status = try_open({.connection_string = path_});
  EXPECT_EQ(status.error().code, Code::kDataLoss);
  EXPECT_THAT(status.error().message, HasSubstr(path_));
  EXPECT_THAT(status.error().message, HasSubstr("not a database"));
}

TEST_F(SqliteStateStoreTest, OtherTablesAndNames) {
  open({.table_name = "app_state", .metadata_table_name = "app_meta"});
  ASSERT_TRUE(set({.key = "k", .value = share("v")}));
  EXPECT_THAT(sql("SELECT value FROM app_state"), testing::ElementsAre("v"));
  EXPECT_THAT(sql("SELECT value FROM app_meta"), testing::ElementsAre("1"));
}

TEST_F(SqliteStateStoreTest, CallsPastTheirDeadlineFail) {
  open();
  context_.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  EXPECT_EQ(set({.key = "k", .value = share("v")}).error().code, Code::kDeadlineExceeded);
  const Result<GetResponse> read =
      wait<GetResponse>([&](Completion<GetResponse> done) { store_->get(context_, {.key = "k"}, std::move(done)); });
  EXPECT_EQ(read.error().code, Code::kDeadlineExceeded);
}

TEST_F(SqliteStateStoreTest, CloseFinishesWhatWasAcceptedAndRefusesTheRest) {
  open();
  int stored = 0;
  for (int i = 0; i < 500; ++i) {
    store_->set(context_, {.key = "k" + std::to_string(i), .value = share("v")},
                [&](Result<void> result) { loop_.post([&, ok = result.has_value()] { stored += ok; }); });
  }
  store_->close(std::chrono::steady_clock::now() + std::chrono::seconds(10));
  loop_.run_ready();
  EXPECT_EQ(stored, 500);
  EXPECT_EQ(set({.key = "late", .value = share("v")}).error().code, Code::kUnavailable);
  EXPECT_THAT(sql("SELECT count(*) FROM state"), testing::ElementsAre("500"));
  store_.reset();
  EXPECT_FALSE(std::filesystem::exists(path_ + "-wal"));
}

}  // namespace
}  // namespace tandem::components
