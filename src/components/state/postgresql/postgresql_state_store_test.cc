#include "components/state/postgresql/postgresql_state_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "components/postgresql/testing/postgresql_server.h"

namespace tandem::components {
namespace {

using postgresql::PostgresqlServer;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::HasSubstr;

// Waits for what comes later.
class Waiting final {
 public:
  explicit Waiting(state::Store& store) : store_(store) {}

  Result<state::GetResponse> get(std::string_view key, SteadyTime deadline = SteadyTime::max()) {
    return wait<state::GetResponse>(
        [&](auto done) { store_.get({.deadline = deadline}, {.key = key}, std::move(done)); });
  }
  Status set(state::SetRequest request, SteadyTime deadline = SteadyTime::max()) {
    return wait<void>([&](auto done) { store_.set({.deadline = deadline}, std::move(request), std::move(done)); });
  }
  Status remove(state::DeleteRequest request) {
    return wait<void>([&](auto done) { store_.remove({}, std::move(request), std::move(done)); });
  }
  Status transact(std::vector<state::Operation> operations) {
    return wait<void>([&](auto done) { store_.transact({}, std::move(operations), std::move(done)); });
  }
  Result<std::vector<std::string>> list(state::ListRequest request) {
    return wait<std::vector<std::string>>(
        [&](auto done) { store_.list_keys({}, std::move(request), std::move(done)); });
  }
  Status ping(SteadyTime deadline) {
    return wait<void>([&](auto done) { store_.ping({.deadline = deadline}, std::move(done)); });
  }
  std::string value(std::string_view key) {
    const Result<state::GetResponse> response = get(key);
    if (!response) return response.error().message;
    return response->data != nullptr ? *response->data : "(none)";
  }

 private:
  template <class T, class Call>
  Result<T> wait(Call call) {
    std::promise<Result<T>> promise;
    std::future<Result<T>> future = promise.get_future();
    call([&promise](Result<T> result) { promise.set_value(std::move(result)); });
    return future.get();
  }
  state::Store& store_;
};

std::unique_ptr<PostgresqlStateStore> open(const PostgresqlStateOptions& options) {
  Result<std::unique_ptr<PostgresqlStateStore>> store = PostgresqlStateStore::open(options, nullptr);
  EXPECT_TRUE(store) << store.error().message;
  return store ? std::move(*store) : nullptr;
}

std::string error_of(const PostgresqlStateOptions& options) {
  const auto store = PostgresqlStateStore::open(options, nullptr);
  EXPECT_FALSE(store);
  return store ? "" : store.error().message;
}

state::SetRequest json(std::string key, std::string value) {
  return {.key = std::move(key), .value = share(std::move(value)), .form = state::ValueForm::kJson};
}

class PostgresqlStateTest : public testing::Test {
 protected:
  PostgresqlStateOptions options(PostgresqlVersion version) const {
    return {.version = version, .connection = {.connection_string = server_.connection_string()}};
  }
  PostgresqlServer server_;
};

TEST_F(PostgresqlStateTest, V1KeepsWhatDaprKeeps) {
  const auto store = open(options(PostgresqlVersion::kV1));
  Waiting waiting(*store);
  ASSERT_TRUE(waiting.set(json("app||json", R"({"b":1,"a":[true,null]})")));
  ASSERT_TRUE(waiting.set({.key = "app||bytes", .value = share(std::string("\0\xff", 2))}));
  EXPECT_EQ(server_.query("SELECT value->>'b' FROM state WHERE key = 'app||json' AND NOT isbinary"), "1");
  EXPECT_EQ(server_.query("SELECT value FROM state WHERE key = 'app||bytes' AND isbinary"), "\"AP8=\"");
  // PostgreSQL's own form of the value, as through daprd.
  EXPECT_EQ(waiting.value("app||json"), R"({"a": [true, null], "b": 1})");
  EXPECT_EQ(waiting.value("app||bytes"), std::string("\0\xff", 2));
  EXPECT_EQ(waiting.get("app||json")->etag, server_.query("SELECT xmin FROM state WHERE key = 'app||json'"));
  EXPECT_EQ(
      server_.query("SELECT insertdate IS NOT NULL AND updatedate IS NULL AND expiredate IS NULL FROM state LIMIT 1"),
      "t");
  ASSERT_TRUE(waiting.set(json("app||json", "2")));
  EXPECT_EQ(server_.query("SELECT updatedate IS NOT NULL FROM state WHERE key = 'app||json'"), "t");
  // What daprd writes.
  server_.query(R"(INSERT INTO state (key, value, isbinary) VALUES ('theirs', '"aGVsbG8="', true))");
  EXPECT_EQ(waiting.value("theirs"), "hello");
  EXPECT_THAT(waiting.set(json("bad", "{")).error().message, HasSubstr("invalid input syntax for type json"));

  const Status invalid = waiting.set({.key = "app||json", .value = share("1"), .etag = "stale"});
  EXPECT_TRUE(state::is_etag_invalid(invalid.error()));
  EXPECT_THAT(invalid.error().message, HasSubstr("strconv.ParseUint: parsing \"stale\": invalid syntax"));
  EXPECT_THAT(waiting.remove({.key = "k", .etag = "4294967296"}).error().message, HasSubstr("value out of range"));
  EXPECT_TRUE(state::is_etag_mismatch(waiting.remove({.key = "app||json", .etag = "1"}).error()));
}

TEST_F(PostgresqlStateTest, V2KeepsWhatDaprKeeps) {
  PostgresqlStateOptions with_prefix = options(PostgresqlVersion::kV2);
  with_prefix.table_prefix = "public.my_";
  const auto store = open(with_prefix);
  Waiting waiting(*store);
  ASSERT_TRUE(waiting.set(json("k", R"({"b":1,"a":2})")));
  EXPECT_EQ(waiting.value("k"), R"({"b":1,"a":2})");
  EXPECT_EQ(server_.query("SELECT convert_from(value, 'UTF8') FROM my_state WHERE key = 'k' AND updated_at IS NULL"),
            R"({"b":1,"a":2})");
  const std::string etag = waiting.get("k")->etag;
  EXPECT_EQ(etag, server_.query("SELECT etag FROM my_state WHERE key = 'k'"));
  std::string bare = etag;
  std::erase(bare, '-');
  // Every form of a UUID is the same ETag.
  std::string now = etag;
  for (const auto& [before, after] : {std::pair("", ""), std::pair("{", "}"), std::pair("urn:uuid:", "")}) {
    ASSERT_TRUE(waiting.set({.key = "k", .value = share("x"), .etag = before + now + after})) << before;
    now = waiting.get("k")->etag;
  }
  EXPECT_EQ(server_.query("SELECT updated_at IS NOT NULL FROM my_state"), "t");
  EXPECT_TRUE(state::is_etag_mismatch(waiting.set({.key = "k", .value = share("y"), .etag = bare}).error()));
  const Status odd = waiting.set({.key = "k", .value = share("y"), .etag = "stale"});
  EXPECT_TRUE(state::is_etag_mismatch(odd.error()));
  EXPECT_THAT(odd.error().message, HasSubstr("invalid UUID length: 5"));
  EXPECT_EQ(server_.query("SELECT value FROM dapr_metadata WHERE key = 'migrations-state-v2-public.my_'"), "2");
}

TEST_F(PostgresqlStateTest, BothVersionsShareADatabaseAndItsMetadataTable) {
  const auto v1 = open(options(PostgresqlVersion::kV1));
  PostgresqlStateOptions second = options(PostgresqlVersion::kV2);
  second.table_prefix = "v2_";
  const auto v2 = open(second);
  ASSERT_TRUE(Waiting(*v1).set(json("k", "1")));
  ASSERT_TRUE(Waiting(*v2).set(json("k", "2")));
  EXPECT_EQ(Waiting(*v1).value("k"), "1");
  EXPECT_EQ(Waiting(*v2).value("k"), "2");
  EXPECT_EQ(server_.query("SELECT string_agg(key || '=' || value, ' ' ORDER BY key) FROM dapr_metadata"),
            "lock=lock migrations=3 migrations-state-v2-v2_=2");
}

TEST_F(PostgresqlStateTest, OldTablesAreBroughtToTheLastLevel) {
  // As an old daprd left them: level 1 of version 1.
  server_.query(
      "CREATE TABLE dapr_metadata (key text NOT NULL PRIMARY KEY, value text NOT NULL);"
      "INSERT INTO dapr_metadata VALUES ('migrations', '1');"
      "CREATE SCHEMA \"The Orders\";"
      "CREATE TABLE \"The Orders\".\"it's\" (key text NOT NULL PRIMARY KEY, value jsonb NOT NULL, isbinary boolean NOT "
      "NULL, insertdate timestamptz NOT NULL DEFAULT now(), updatedate timestamptz NULL);"
      "INSERT INTO \"The Orders\".\"it's\" (key, value, isbinary, insertdate) VALUES ('b', '2', false, 'yesterday'), "
      "('a', '1', false, 'today')");
  PostgresqlStateOptions old = options(PostgresqlVersion::kV1);
  old.table_name = "\"The Orders\".\"it's\"";
  for (int start = 0; start < 2; ++start) {
    const auto store = open(old);
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(Waiting(*store).value("b"), "2");
    ASSERT_TRUE(Waiting(*store).set(json("c" + std::to_string(start), "3")));
  }
  EXPECT_EQ(server_.query("SELECT string_agg(key || row_id, ' ' ORDER BY row_id) FROM \"The Orders\".\"it's\""),
            "b1 a2 c03 c14");
  EXPECT_EQ(server_.query("SELECT value FROM dapr_metadata WHERE key = 'migrations'"), "3");
  server_.query("UPDATE dapr_metadata SET value = 'many' WHERE key = 'migrations'");
  EXPECT_THAT(error_of(old), HasSubstr("failed to create or migrate the tables"));
}

TEST_F(PostgresqlStateTest, ManyProcessesMayStartAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> opened = 0;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      if (open(options(PostgresqlVersion::kV2)) != nullptr) ++opened;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(opened, 6);
}

TEST_F(PostgresqlStateTest, AFirstWriteThatComesSecondIsNoETagFailure) {
  for (const PostgresqlVersion version : {PostgresqlVersion::kV1, PostgresqlVersion::kV2}) {
    PostgresqlStateOptions own = options(version);
    own.table_name = "one_state";
    const auto store = open(own);
    Waiting waiting(*store);
    state::SetRequest first{.key = "k", .value = share("1"), .concurrency = state::Concurrency::kFirstWrite};
    ASSERT_TRUE(waiting.set(first));
    const Status second = waiting.set(first);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().message, "no item was updated");
    EXPECT_EQ(second.error().code, Code::kInternal);
    // The same inside a transaction, which does nothing then; with an ETag it is one.
    const Status all = waiting.transact({state::SetRequest{.key = "other", .value = share("1")}, first});
    EXPECT_EQ(all.error().message, "no item was updated");
    EXPECT_EQ(waiting.value("other"), "(none)");
    const std::string stale = version == PostgresqlVersion::kV1 ? "1" : "00000000-0000-0000-0000-000000000000";
    const Status mismatch = waiting.transact(
        {state::SetRequest{.key = "other", .value = share("1")}, state::DeleteRequest{.key = "k", .etag = stale}});
    EXPECT_TRUE(state::is_etag_mismatch(mismatch.error())) << mismatch.error().message;
    EXPECT_EQ(waiting.value("other"), "(none)");
    // An expired value is none, also before it is removed.
    ASSERT_TRUE(waiting.set({.key = "old", .value = share("1"), .ttl_seconds = 1}));
    const auto end = steady_clock::now() + seconds(20);
    while (waiting.value("old") != "(none)" && steady_clock::now() < end) {
    }
    first.key = "old";
    EXPECT_TRUE(waiting.set(first));
  }
}

TEST_F(PostgresqlStateTest, ProcessesShareTheCleanUp) {
  for (const PostgresqlVersion version : {PostgresqlVersion::kV1, PostgresqlVersion::kV2}) {
    PostgresqlStateOptions own = options(version);
    own.table_name = "one_state";
    own.cleanup_interval = seconds(1);
    const auto one = open(own);
    const auto other = open(own);
    const std::string table = version == PostgresqlVersion::kV1 ? "one_state" : "state";
    ASSERT_TRUE(Waiting(*one).set({.key = "short", .value = share("1"), .ttl_seconds = 1}));
    ASSERT_TRUE(Waiting(*one).set({.key = "long", .value = share("1"), .ttl_seconds = 1000}));
    ASSERT_TRUE(Waiting(*other).set({.key = "forever", .value = share("1")}));
    const auto end = steady_clock::now() + seconds(20);
    while (server_.query("SELECT count(*) FROM " + table) != "2" && steady_clock::now() < end) {
    }
    EXPECT_EQ(server_.query("SELECT string_agg(key, ' ' ORDER BY key) FROM " + table), "forever long");
    const std::string claim = version == PostgresqlVersion::kV1 ? "last-cleanup" : "last-cleanup-state-v2-";
    EXPECT_EQ(server_.query("SELECT now() - value::timestamptz < interval '1 minute' FROM dapr_metadata WHERE key = '" +
                            claim + "'"),
              "t");
  }
}

TEST_F(PostgresqlStateTest, AClaimOfAnotherProcessCounts) {
  PostgresqlStateOptions own = options(PostgresqlVersion::kV2);
  own.cleanup_interval = seconds(1);
  const auto store = open(own);
  // Somebody else has just cleaned up, and says so far into the future.
  server_.query(
      "INSERT INTO dapr_metadata VALUES ('last-cleanup-state-v2-', (now() + interval '1 day')::text) ON CONFLICT (key) "
      "DO "
      "UPDATE SET value = excluded.value");
  ASSERT_TRUE(Waiting(*store).set({.key = "short", .value = share("1"), .ttl_seconds = 1}));
  const auto end = steady_clock::now() + seconds(4);
  while (steady_clock::now() < end) ASSERT_EQ(server_.query("SELECT count(*) FROM state"), "1");
  EXPECT_EQ(Waiting(*store).value("short"), "(none)");
}

TEST_F(PostgresqlStateTest, ListsKeysInTheOrderOfTheirBytes) {
  for (const PostgresqlVersion version : {PostgresqlVersion::kV1, PostgresqlVersion::kV2}) {
    PostgresqlStateOptions own = options(version);
    own.table_name = "one_state";
    const auto store = open(own);
    Waiting waiting(*store);
    for (const char* key : {"app||b", "app||B", "app||a%", "app||a_", "other||a", "app||\xc3\xa4"}) {
      ASSERT_TRUE(waiting.set({.key = key, .value = share("1")}));
    }
    EXPECT_THAT(waiting.list({.prefix = "app||", .limit = 10}).value(),
                testing::ElementsAre("app||B", "app||a%", "app||a_", "app||b", "app||\xc3\xa4"));
    EXPECT_THAT(waiting.list({.prefix = "app||", .after = "app||B", .skip = 1, .limit = 2}).value(),
                testing::ElementsAre("app||a_", "app||b"));
  }
}

TEST_F(PostgresqlStateTest, RefusesToStartWithOneClearError) {
  PostgresqlStateOptions wrong = options(PostgresqlVersion::kV2);
  wrong.table_prefix = "a; DROP TABLE x; --";
  EXPECT_THAT(error_of(wrong), HasSubstr("tablePrefix: \"a; DROP TABLE x; --state\" is not a table's name"));
  wrong = options(PostgresqlVersion::kV1);
  wrong.metadata_table_name = "a.b.c";
  EXPECT_THAT(error_of(wrong), HasSubstr("metadataTableName"));
  wrong = options(PostgresqlVersion::kV1);
  wrong.connection.database = "nosuch";
  EXPECT_THAT(error_of(wrong), HasSubstr("database \"nosuch\" does not exist"));

  const PostgresqlServer strict({.host_rules = "host all all 127.0.0.1/32 scram-sha-256\nlocal all all trust\n"});
  wrong.connection = {.connection_string = strict.connection_string(), .password = "not it"};
  const std::string message = error_of(wrong);
  EXPECT_THAT(message, HasSubstr("cannot connect to PostgreSQL at 127.0.0.1:" + std::to_string(strict.port())));
  EXPECT_THAT(message, HasSubstr("password authentication failed for user \"postgres\""));
  EXPECT_THAT(message, testing::Not(HasSubstr("not it")));
  EXPECT_EQ(std::ranges::count(message, '\n'), 0);
  EXPECT_EQ(message.find("password authentication"), message.rfind("password authentication")) << "said once";
  wrong.connection.password = PostgresqlServer::kPassword;
  EXPECT_NE(open(wrong), nullptr);
}

TEST_F(PostgresqlStateTest, ARowThatSomebodyHoldsCostsTheDeadlineAndNothingElse) {
  PostgresqlStateOptions own = options(PostgresqlVersion::kV2);
  own.connection.timeout = seconds(1);
  const auto store = open(own);
  Waiting waiting(*store);
  ASSERT_TRUE(waiting.set({.key = "held", .value = share("1")}));
  PGconn* const holder = PQconnectdb(("host=" + server_.folder().string() + " port=" + std::to_string(server_.port()) +
                                      " user=postgres dbname=postgres")
                                         .c_str());
  PQclear(PQexec(holder, "BEGIN"));
  PQclear(PQexec(holder, "SELECT * FROM state WHERE key = 'held' FOR UPDATE"));
  const auto start = steady_clock::now();
  const Status late = waiting.set({.key = "held", .value = share("2")});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::kDeadlineExceeded);
  EXPECT_LT(steady_clock::now() - start, seconds(3));
  EXPECT_TRUE(waiting.set({.key = "free", .value = share("1")}));
  EXPECT_EQ(waiting.value("held"), "1");
  PQfinish(holder);
  EXPECT_TRUE(waiting.set({.key = "held", .value = share("3")}));
  // The write that was answered too late is still with the server, which may do it before this one or after.
  EXPECT_THAT(waiting.value("held"), testing::AnyOf("2", "3"));
}

TEST_F(PostgresqlStateTest, AServerThatIsHeldStillCostsTheDeadline) {
  PostgresqlStateOptions own = options(PostgresqlVersion::kV2);
  own.connection.timeout = seconds(1);
  own.connection.connection_string += " pool_max_conn_idle_time=1ms";
  const auto store = open(own);
  Waiting waiting(*store);
  ASSERT_TRUE(waiting.set({.key = "k", .value = share("1")}));
  // The kernel still takes connections; nobody says a word on them.
  const std::string sessions =
      "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
  const auto closed = steady_clock::now() + seconds(20);
  while (server_.query(sessions) != "0" && steady_clock::now() < closed) {
  }
  server_.process().pause();
  const auto start = steady_clock::now();
  const Status late = waiting.set({.key = "k", .value = share("2")});
  ASSERT_FALSE(late);
  EXPECT_LT(steady_clock::now() - start, seconds(3));
  server_.process().resume();
  const auto end = steady_clock::now() + seconds(20);
  while (!waiting.ping(SteadyTime::max()) && steady_clock::now() < end) {
  }
  EXPECT_EQ(waiting.value("k"), "1");
}

TEST_F(PostgresqlStateTest, AKilledServerCostsErrorsAndNoAcknowledgedWrite) {
  PostgresqlStateOptions own = options(PostgresqlVersion::kV2);
  own.connection.timeout = seconds(2);
  std::mutex mutex;
  std::vector<std::string> reports;
  const auto store = PostgresqlStateStore::open(own, [&](const std::string& report) {
                       const std::lock_guard lock(mutex);
                       reports.push_back(report);
                     }).value();
  Waiting waiting(*store);
  struct Written {
    std::map<std::string, int> acknowledged;
    std::map<std::string, int> tried;
  };
  constexpr int kWriters = 8;
  std::vector<Written> all(kWriters);
  std::atomic<bool> stop = false;
  std::atomic<int> successes = 0, failures = 0;
  std::atomic<std::int64_t> slowest_ms = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kWriters; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 1; !stop; ++i) {
        const std::string key = "k" + std::to_string(t) + "_" + std::to_string(i % 10);
        const auto start = steady_clock::now();
        all[static_cast<std::size_t>(t)].tried[key] = i;
        const Status status = waiting.set({.key = key, .value = share(std::to_string(i))});
        const auto took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - start).count();
        std::int64_t before = slowest_ms;
        while (took > before && !slowest_ms.compare_exchange_weak(before, took)) {
        }
        if (status) {
          all[static_cast<std::size_t>(t)].acknowledged[key] = i;
          ++successes;
        } else {
          ++failures;
        }
      }
    });
  }
  const auto wait_for = [](const std::atomic<int>& counter, int more) {
    const int target = counter + more;
    const auto end = steady_clock::now() + seconds(20);
    while (counter < target && steady_clock::now() < end) std::this_thread::yield();
    return counter >= target;
  };
  EXPECT_TRUE(wait_for(successes, 200));
  for (int round = 0; round < 2; ++round) {
    server_.kill();
    EXPECT_TRUE(wait_for(failures, 20)) << "writes fail while the server is away";
    server_.start();
    EXPECT_TRUE(wait_for(successes, 200)) << "and succeed when it is back";
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_LT(slowest_ms, 2'000 + 1'500) << "an error comes within the deadline";
  for (const Written& written : all) {
    for (const auto& [key, last] : written.acknowledged) {
      const std::string value = waiting.value(key);
      // A later write that was answered with an error may have been done.
      EXPECT_TRUE(std::stoi(value) >= last && std::stoi(value) <= written.tried.at(key))
          << key << " is " << value << ", acknowledged was " << last;
    }
  }
  const std::lock_guard lock(mutex);
  EXPECT_THAT(reports, testing::ElementsAre(HasSubstr("trying again"), HasSubstr(" is back"), HasSubstr("trying again"),
                                            HasSubstr(" is back")));
}

}  // namespace
}  // namespace tandem::components
