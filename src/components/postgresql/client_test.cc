#include "components/postgresql/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "components/postgresql/testing/postgresql_server.h"
#include "net/testing/scripted_server.h"

namespace tandem::components::postgresql {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::HasSubstr;

const StatementText kEcho{"echo", "SELECT $1, $2, $3, $4", {Type::kText, Type::kBytea, Type::kInt8, Type::kBool}};
const StatementText kMake{"make", "CREATE TABLE things (id bigint PRIMARY KEY, data bytea)", {}};
const StatementText kAdd{"add", "INSERT INTO things VALUES ($1, $2)", {Type::kInt8, Type::kBytea}};
const StatementText kCount{"count", "SELECT count(*) FROM things", {}};
const StatementText kSleep{"sleep", "SELECT pg_sleep($1::bigint)", {Type::kInt8}};
const StatementText kSession{"session", "SELECT pg_backend_pid()::bigint", {}};

Batch batch(std::vector<Statement> statements, Effect effect = Effect::kWrites) {
  return {.statements = std::move(statements), .effect = effect};
}

class PostgresqlClientTest : public testing::Test {
 protected:
  static std::unique_ptr<Client> client_of(const std::string& connection_string, const std::string& mode = "") {
    const auto settings = make_settings({.connection_string = connection_string, .query_exec_mode = mode});
    EXPECT_TRUE(settings) << settings.error().message;
    return std::make_unique<Client>(*settings);
  }
  static Outcome run(Client& client, Batch batch, milliseconds patience = seconds(20)) {
    return client.run_and_wait(std::move(batch), steady_clock::now() + patience);
  }
  static std::string error_of(const Outcome& outcome) { return outcome.failure ? outcome.failure->error.message : ""; }
};

TEST_F(PostgresqlClientTest, CarriesValuesInEveryMode) {
  PostgresqlServer server;
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  for (const char* mode : {"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"}) {
    SCOPED_TRACE(mode);
    const auto client = client_of(server.connection_string(), mode);
    for (int round = 0; round < 2; ++round) {
      Outcome outcome = run(*client, batch({{&kEcho, {"it's a \\ $1 grüße", bytes, "-5", "true"}},
                                            {&kEcho, {std::nullopt, "", std::nullopt, "false"}}}));
      ASSERT_EQ(error_of(outcome), "");
      ASSERT_EQ(outcome.rows.size(), 2u);
      EXPECT_EQ(outcome.rows[0].text(0, 0), "it's a \\ $1 grüße");
      EXPECT_EQ(outcome.rows[0].text(0, 1), bytes);
      EXPECT_EQ(outcome.rows[0].number(0, 2), -5);
      EXPECT_TRUE(outcome.rows[0].boolean(0, 3));
      EXPECT_TRUE(outcome.rows[1].is_null(0, 0));
      EXPECT_EQ(outcome.rows[1].text(0, 1), "");
      EXPECT_FALSE(outcome.rows[1].is_null(0, 1));
      EXPECT_FALSE(outcome.rows[1].boolean(0, 3));
    }
  }
}

TEST_F(PostgresqlClientTest, ABatchIsATransactionAndAFailureSaysWhichStatement) {
  PostgresqlServer server;
  for (const char* mode : {"cache_statement", "exec", "simple_protocol"}) {
    SCOPED_TRACE(mode);
    const auto client = client_of(server.local_string(), mode);
    ASSERT_EQ(error_of(run(*client, batch({{&kMake, {}}}))), "");
    ASSERT_EQ(error_of(run(*client, batch({{&kAdd, {"1", "a"}}, {&kAdd, {"2", "b"}}}))), "");
    const Outcome twice = run(*client, batch({{&kAdd, {"3", "c"}}, {&kAdd, {"1", "d"}}, {&kAdd, {"4", "e"}}}));
    ASSERT_TRUE(twice.failure);
    EXPECT_EQ(twice.failure->sqlstate, "23505");
    EXPECT_EQ(twice.failure->statement, 1u);
    EXPECT_EQ(twice.failure->error.code, Code::kInternal);
    EXPECT_THAT(error_of(twice), HasSubstr("duplicate key value violates unique constraint"));
    EXPECT_THAT(error_of(twice), HasSubstr("(SQLSTATE 23505)"));
    EXPECT_EQ(run(*client, batch({{&kCount, {}}})).rows.at(0).number(0, 0), 2);
    server.query("DROP TABLE things");
    // The table is gone, and comes back: a prepared statement finds it.
    EXPECT_THAT(error_of(run(*client, batch({{&kCount, {}}}))), HasSubstr("relation \"things\" does not exist"));
    ASSERT_EQ(error_of(run(*client, batch({{&kMake, {}}}))), "");
    EXPECT_EQ(run(*client, batch({{&kCount, {}}})).rows.at(0).number(0, 0), 0);
    server.query("DROP TABLE things");
  }
}

TEST_F(PostgresqlClientTest, ManyAtOnceShareTheConnections) {
  PostgresqlServer server;
  const auto client = client_of(server.connection_string() + " pool_max_conns=3");
  ASSERT_EQ(error_of(run(*client, batch({{&kMake, {}}}))), "");
  constexpr int kThreads = 4, kEach = 250;
  std::atomic<int> failed = 0, done = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        client->run(batch({{&kAdd, {std::to_string(t * kEach + i), std::string(2000, 'x')}}}), SteadyTime::max(),
                    [&](const Outcome& outcome) {
                      if (outcome.failure) ++failed;
                      ++done;
                    });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(run(*client, batch({{&kSession, {}}})).rows.size(), 1u);
  client->close(steady_clock::now() + seconds(20));
  EXPECT_EQ(done, kThreads * kEach) << "close() lets what was accepted end";
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(server.query("SELECT count(*) FROM things"), "1000");
  EXPECT_EQ(error_of(run(*client, batch({{&kCount, {}}}))), "the connections to PostgreSQL are closed");
}

TEST_F(PostgresqlClientTest, ALongBatchDelaysNobody) {
  PostgresqlServer server;
  const auto client = client_of(server.local_string() + " pool_max_conns=2");
  std::promise<Outcome> slow;
  Batch sleep = batch({{&kSleep, {"30"}}});
  sleep.pace = Pace::kLong;
  client->run(std::move(sleep), SteadyTime::max(), [&](Outcome outcome) { slow.set_value(std::move(outcome)); });
  const auto start = steady_clock::now();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(error_of(run(*client, batch({{&kSession, {}}}))), "");
  EXPECT_LT(steady_clock::now() - start, seconds(15));
  client->close(steady_clock::now());
  EXPECT_EQ(slow.get_future().get().failure->error.code, Code::kUnavailable);
}

TEST_F(PostgresqlClientTest, RefusesWhatLibpqWouldCutOff) {
  PostgresqlServer server;
  for (const char* mode : {"cache_statement", "simple_protocol"}) {
    const auto client = client_of(server.local_string(), mode);
    EXPECT_THAT(error_of(run(*client, batch({{&kEcho, {std::string("a\0b", 3), "", "1", "true"}}}))),
                HasSubstr("invalid byte sequence for encoding \"UTF8\": 0x00"));
    EXPECT_THAT(error_of(run(*client, batch({{&kEcho, {"\xff\xfe", "", "1", "true"}}}))), HasSubstr("UTF8"));
    EXPECT_EQ(error_of(run(*client, batch({{&kEcho, {"a", std::string("a\0b", 3), "1", "true"}}}))), "");
  }
}

TEST_F(PostgresqlClientTest, AServerThatSaysNothingCostsTheDeadlineAndNoMore) {
  PostgresqlServer server;
  const auto client = client_of(server.connection_string() + " pool_max_conns=2");
  ASSERT_EQ(error_of(run(*client, batch({{&kSession, {}}}))), "");
  // A statement that waits for a lock holds up only what is behind it on its connection.
  const auto start = steady_clock::now();
  const Outcome late = run(*client, batch({{&kSleep, {"60"}}}), milliseconds(300));
  ASSERT_TRUE(late.failure);
  EXPECT_EQ(late.failure->error.code, Code::kDeadlineExceeded);
  EXPECT_LT(steady_clock::now() - start, seconds(5));
  EXPECT_EQ(error_of(run(*client, batch({{&kSession, {}}}))), "");
}

// What another session locks, two writes wait for. The first one's time is over, then that of the one behind it:
// neither of them happens when the lock is gone, and what was written since stays.
TEST_F(PostgresqlClientTest, AWriteWhoseTimeIsOverNeverHappens) {
  PostgresqlServer server;
  const auto client = client_of(server.connection_string() + " pool_max_conns=1");
  const auto locker = client_of(server.connection_string() + " pool_max_conns=1");
  ASSERT_EQ(error_of(run(*client, batch({{&kMake, {}}}))), "");
  ASSERT_EQ(error_of(run(*client, batch({{&kAdd, {"1", "a"}}, {&kAdd, {"2", "b"}}}))), "");
  const StatementText change{"change", "UPDATE things SET data = $2 WHERE id = $1", {Type::kInt8, Type::kBytea}};
  const auto data = [&](int id) {
    return server.query("SELECT convert_from(data, 'UTF8') FROM things WHERE id = " + std::to_string(id));
  };
  const std::string waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
  // Holds the row until unlock() ends the statement.
  const StatementText lock_row{"lock", "SELECT id FROM things WHERE id = 1 FOR UPDATE", {}};
  const auto lock = [&] {
    Batch held = batch({{&lock_row, {}}, {&kSleep, {"1000"}}});
    held.pace = Pace::kLong;
    locker->run(std::move(held), SteadyTime::max(), [](const Outcome&) {});
    while (server.query("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") != "1") {
    }
  };
  const auto unlock = [&] {
    server.query("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    EXPECT_EQ(error_of(run(*locker, batch({{&kSession, {}}}))), "");
  };

  lock();
  // The first in the session's line: its statement is cancelled, and the one behind it goes on.
  std::promise<Outcome> behind;
  std::promise<Outcome> front;
  client->run(batch({{&change, {"1", "late"}}}), steady_clock::now() + milliseconds(500),
              [&](Outcome outcome) { front.set_value(std::move(outcome)); });
  while (server.query(waiting) != "1") {
  }
  client->run(batch({{&change, {"2", "in time"}}}), steady_clock::now() + seconds(20),
              [&](Outcome outcome) { behind.set_value(std::move(outcome)); });
  EXPECT_EQ(front.get_future().get().failure->error.code, Code::kDeadlineExceeded);
  EXPECT_EQ(error_of(behind.get_future().get()), "");
  EXPECT_EQ(data(2), "in time");
  unlock();
  EXPECT_EQ(data(1), "a");

  lock();
  // Behind another one: the session ends before it comes to it.
  std::promise<Outcome> first;
  client->run(batch({{&change, {"1", "first"}}}), steady_clock::now() + seconds(20),
              [&](Outcome outcome) { first.set_value(std::move(outcome)); });
  while (server.query(waiting) != "1") {
  }
  const Outcome second = run(*client, batch({{&change, {"2", "late"}}}), milliseconds(300));
  EXPECT_EQ(second.failure->error.code, Code::kDeadlineExceeded);
  EXPECT_EQ(first.get_future().get().failure->error.code, Code::kUnavailable);
  unlock();
  while (server.query(waiting) != "0") {
  }
  EXPECT_EQ(data(1), "a");
  EXPECT_EQ(data(2), "in time");
  EXPECT_EQ(error_of(run(*client, batch({{&change, {"2", "new"}}}))), "");
  EXPECT_EQ(data(2), "new");
}

TEST_F(PostgresqlClientTest, ASessionThatTheServerEndsIsReplaced) {
  PostgresqlServer server;
  const auto client = client_of(server.local_string() + " pool_max_conns=1");
  const std::int64_t first = run(*client, batch({{&kSession, {}}})).rows.at(0).number(0, 0);
  std::promise<Outcome> slow;
  client->run(batch({{&kSleep, {"60"}}}), SteadyTime::max(),
              [&](Outcome outcome) { slow.set_value(std::move(outcome)); });
  const std::string others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
  while (server.query("SELECT count(*) " + others + " AND state = 'active' AND query LIKE '%pg_sleep%'") != "1") {
  }
  server.query("SELECT pg_terminate_backend(pid) " + others);
  const Outcome ended = slow.get_future().get();
  ASSERT_TRUE(ended.failure);
  EXPECT_EQ(ended.failure->error.code, Code::kUnavailable);
  EXPECT_THAT(error_of(ended), HasSubstr("broke: terminating connection due to administrator command"));
  const Outcome next = run(*client, batch({{&kSession, {}}}));
  ASSERT_EQ(error_of(next), "");
  EXPECT_NE(next.rows[0].number(0, 0), first);
}

TEST_F(PostgresqlClientTest, ReadsSurviveTheLossOfTheirConnection) {
  PostgresqlServer server;
  const auto client = client_of(server.local_string() + " pool_max_conns=1");
  ASSERT_EQ(error_of(run(*client, batch({{&kSession, {}}}))), "");
  std::promise<Outcome> read;
  const StatementText slow{"slow_read", "SELECT 7::bigint FROM pg_sleep(1)", {}};
  client->run(batch({{&slow, {}}}, Effect::kReads), SteadyTime::max(),
              [&](Outcome outcome) { read.set_value(std::move(outcome)); });
  const std::string others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE '%pg_sleep%'";
  while (server.query("SELECT count(*) " + others) != "1") {
  }
  server.query("SELECT pg_terminate_backend(pid) " + others);
  const Outcome outcome = read.get_future().get();
  ASSERT_EQ(error_of(outcome), "");
  EXPECT_EQ(outcome.rows[0].number(0, 0), 7);
}

TEST_F(PostgresqlClientTest, IdleConnectionsAreClosed) {
  PostgresqlServer server;
  const auto client = client_of(server.local_string() + " pool_max_conn_idle_time=100ms");
  ASSERT_EQ(error_of(run(*client, batch({{&kSession, {}}}))), "");
  const std::string count =
      "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
  // One look is enough: the backend of the look before may itself still be there.
  const auto end = steady_clock::now() + seconds(20);
  std::string open;
  do open = server.query(count);
  while (open != "0" && steady_clock::now() < end);
  EXPECT_EQ(open, "0");
  EXPECT_EQ(error_of(run(*client, batch({{&kSession, {}}}))), "");
}

TEST_F(PostgresqlClientTest, SaysWhyThereIsNoConnection) {
  const std::string nobody = "host=127.0.0.1 user=postgres port=" + std::to_string(free_port());
  const auto refused = client_of(nobody);
  const Outcome outcome = run(*refused, batch({{&kSession, {}}}));
  ASSERT_TRUE(outcome.failure);
  EXPECT_EQ(outcome.failure->error.code, Code::kUnavailable);
  EXPECT_THAT(error_of(outcome), testing::AllOf(HasSubstr("cannot connect to PostgreSQL at 127.0.0.1:"),
                                                HasSubstr("Connection refused"), testing::Not(HasSubstr("\n"))));
  EXPECT_THAT(error_of(run(*client_of("host=no-such-host.invalid user=postgres"), batch({{&kSession, {}}}))),
              HasSubstr("cannot resolve no-such-host.invalid"));
  EXPECT_THAT(error_of(run(*client_of("host=/nonexistent user=postgres"), batch({{&kSession, {}}}))),
              HasSubstr("/nonexistent"));
}

TEST_F(PostgresqlClientTest, TriesEveryServerAndEveryAddress) {
  PostgresqlServer server;
  const auto client =
      client_of("host=127.0.0.1,localhost port=" + std::to_string(free_port()) + "," + std::to_string(server.port()) +
                " user=postgres password='the password' database=postgres");
  EXPECT_EQ(error_of(run(*client, batch({{&kSession, {}}}))), "");
}

TEST_F(PostgresqlClientTest, ConnectsOverTls) {
  const net::Certificate certificate = net::self_signed("DNS:localhost");
  const net::Certificate other = net::self_signed("DNS:localhost");
  PostgresqlServer server(
      {.host_rules = "hostssl all all 127.0.0.1/32 scram-sha-256\nlocal all all trust\n",
       .settings = {"ssl=on"},
       .files = {{"server.crt", certificate.certificate_pem}, {"server.key", certificate.key_pem}}});
  const std::string trusted = (server.folder() / "trusted.pem").string();
  const std::string wrong = (server.folder() / "wrong.pem").string();
  std::ofstream(trusted) << certificate.certificate_pem;
  std::ofstream(wrong) << other.certificate_pem;
  const std::string base = "hostaddr=127.0.0.1 port=" + std::to_string(server.port()) +
                           " user=postgres password='the password' database=postgres ";
  const StatementText encrypted{"encrypted", "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()", {}};
  for (const std::string& words :
       {std::string("sslmode=require"), "host=localhost sslmode=verify-full sslrootcert=" + trusted}) {
    const Outcome outcome = run(*client_of(base + words), batch({{&encrypted, {}}}));
    ASSERT_EQ(error_of(outcome), "") << words;
    EXPECT_EQ(outcome.rows[0].text(0, 0), "true");
  }
  EXPECT_THAT(error_of(run(*client_of(base + "sslmode=disable"), batch({{&encrypted, {}}}))),
              HasSubstr("no pg_hba.conf entry"));
  EXPECT_THAT(error_of(run(*client_of(base + "host=localhost sslmode=verify-full sslrootcert=" + wrong),
                           batch({{&encrypted, {}}}))),
              HasSubstr("certificate verify failed"));
  EXPECT_THAT(error_of(run(*client_of(base + "host=elsewhere sslmode=verify-full sslrootcert=" + trusted),
                           batch({{&encrypted, {}}}))),
              HasSubstr("does not match host name"));
}

}  // namespace
}  // namespace tandem::components::postgresql
