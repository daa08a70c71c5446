#include "components/bindings/postgresql/postgresql_binding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "components/bindings/postgresql/json_rows.h"
#include "components/catalog.h"
#include "components/postgresql/testing/postgresql_server.h"
#include "config/resource_loader.h"

namespace tandem::components {
namespace {

using ::testing::HasSubstr;

class PostgresqlBindingTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new postgresql::PostgresqlServer(); }
  static void TearDownTestSuite() { delete std::exchange(server_, nullptr); }
  void SetUp() override {
    auto opened = open("");
    ASSERT_TRUE(opened) << opened.error().message;
    binding_ = std::move(*opened);
  }
  void TearDown() override {
    if (binding_) binding_->close(std::chrono::steady_clock::now() + std::chrono::seconds(5));
  }

  Result<std::unique_ptr<PostgresqlBinding>> open(const std::string& more) {
    config::Resources resources;
    config::Diagnostics diagnostics;
    config::parse_resources(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: db}\nspec:\n  type: bindings.postgresql\n"
        "  version: v1\n  metadata:\n  - {name: connectionString, value: \"" +
            server_->connection_string() + "\"}\n" + more,
        "test.yaml", resources, diagnostics);
    const Catalog catalog = Catalog::load().value();
    const config::MetadataReader metadata =
        config::check(resources.components.at(0), *catalog.find("bindings.postgresql", "v1"), diagnostics);
    EXPECT_FALSE(diagnostics.has_errors()) << diagnostics.to_string();
    return PostgresqlBinding::open(metadata, std::chrono::steady_clock::now() + std::chrono::seconds(20), nullptr);
  }
  Result<bindings::InvokeAnswer> invoke(std::string operation, Metadata metadata, std::string app = "app") {
    std::promise<Result<bindings::InvokeAnswer>> promise;
    binding_->invoke({.app_id = std::move(app)}, {std::move(operation), "null", std::move(metadata)},
                     [&](Result<bindings::InvokeAnswer> answer) { promise.set_value(std::move(answer)); });
    return promise.get_future().get();
  }
  // The rows, or the error.
  std::string query(std::string sql, std::string params = "") {
    const auto answer = invoke("query", {{"sql", std::move(sql)}, {"params", std::move(params)}});
    return answer ? *answer->data : answer.error().message;
  }
  // How many rows were affected, or the error.
  std::string exec(std::string sql, std::string params = "") {
    const auto answer = invoke("exec", {{"sql", std::move(sql)}, {"params", std::move(params)}});
    return answer ? answer->metadata.at("rows-affected") : answer.error().message;
  }

  static postgresql::PostgresqlServer* server_;
  std::unique_ptr<PostgresqlBinding> binding_;
};

postgresql::PostgresqlServer* PostgresqlBindingTest::server_ = nullptr;

TEST_F(PostgresqlBindingTest, ChangesAndReads) {
  EXPECT_EQ(exec("CREATE TABLE t (id int PRIMARY KEY, name text, at timestamptz)"), "0");
  EXPECT_EQ(exec("INSERT INTO t VALUES ($1, $2, $3)", R"([1, "one", "2020-09-24T11:45:05Z"])"), "1");
  EXPECT_EQ(exec("INSERT INTO t VALUES ($1, $2, $3)", "[2, null, null]"), "1");
  EXPECT_EQ(query("SELECT * FROM t ORDER BY id"), R"([[1,"one","2020-09-24T11:45:05Z"],[2,null,null]])");
  EXPECT_EQ(query("SELECT name FROM t WHERE id = $1", R"(["1"])"), R"([["one"]])");
  EXPECT_EQ(query("SELECT * FROM t WHERE id = 9"), "[]");
  EXPECT_EQ(exec("UPDATE t SET name = 'x'"), "2");
  EXPECT_EQ(exec("DROP TABLE t"), "0");
}

TEST_F(PostgresqlBindingTest, TellsWhatItDid) {
  const auto answer = invoke("query", {{"sql", "SELECT 1"}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->metadata.at("operation"), "query");
  EXPECT_EQ(answer->metadata.at("sql"), "SELECT 1");
  EXPECT_FALSE(answer->metadata.contains("rows-affected"));
  for (const char* name : {"start-time", "end-time"}) {
    EXPECT_THAT(answer->metadata.at(name),
                testing::MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}([.][0-9]{1,9})?Z"));
  }
  EXPECT_THAT(answer->metadata.at("duration"), testing::MatchesRegex("[0-9.]+.*s"));
}

// What daprd answers for the same.
TEST_F(PostgresqlBindingTest, WritesValuesAsDaprsDriver) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"true", "true"},
      {"(-1)::int2", "-1"},
      {"9223372036854775807::int8", "9223372036854775807"},
      {"4000000000::oid", "4000000000"},
      {"0.1::float4", "0.1"},
      {"1e300::float8", "1e+300"},
      {"1.50::numeric", "1.50"},
      {"12345678901234567890.123::numeric", "12345678901234567890.123"},
      {"(-0.00012)::numeric", "-0.00012"},
      {"1000000::numeric", "1000000"},
      {"0::numeric", "0"},
      {"'NaN'::numeric", "\"NaN\""},
      {"'a\"b<'::text", R"("a\"b\u003c")"},
      {"'x'::char(3)", "\"x  \""},
      {"'x'::\"char\"", "120"},
      {"'\\xdeadbeef'::bytea", "\"3q2+7w==\""},
      {"'{\"b\":1, \"a\":[1.0]}'::json", R"({"a":[1],"b":1})"},
      {"'{\"b\":1}'::jsonb", R"({"b":1})"},
      {"'2020-01-02'::date", "\"2020-01-02T00:00:00Z\""},
      {"'1969-12-31 23:59:59.5'::timestamp", "\"1969-12-31T23:59:59.5Z\""},
      {"'2020-01-02 03:04:05.678+02'::timestamptz", "\"2020-01-02T01:04:05.678Z\""},
      {"'infinity'::timestamptz", "1"},
      {"'03:04:05'::time", R"({"Microseconds":11045000000,"Valid":true})"},
      {"'1 day 2 hours'::interval", R"({"Microseconds":7200000000,"Days":1,"Months":0,"Valid":true})"},
      {"'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "[160,238,188,153,156,11,78,248,187,109,107,185,189,56,10,17]"},
      {"'1.2.3.4'::inet", "\"1.2.3.4/32\""},
      {"'::1'::inet", "\"::1/128\""},
      {"array[1,2]", "[1,2]"},
      {"array['a',null]", R"(["a",null])"},
      {"array[[1,2],[3,4]]", "[[1,2],[3,4]]"},
      {"'{}'::int[]", "[]"},
      {"null", "null"},
  };
  for (const auto& [sql, json] : cases) EXPECT_EQ(query("SELECT " + sql), "[[" + json + "]]") << sql;
}

TEST_F(PostgresqlBindingTest, TakesParametersOfEachKind) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"$1::int", "1.0"},         {"$1::int", "\"1\""},  {"$1::bool", "true"},        {"$1::bool", "\"t\""},
      {"$1::jsonb", "{\"a\":1}"}, {"$1::float8", "1.5"}, {"$1::int8", "12345678901"}, {"$1::text", "\"it's \\u00e9\""},
      {"$1::int[]", "\"{1,2}\""}, {"$1::text", "null"},
  };
  const std::vector<std::string> expected = {
      "1", "1", "true", "true", "{\"a\":1}", "1.5", "12345678901", "\"it's \u00e9\"", "[1,2]", "null"};
  for (std::size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(query("SELECT " + cases[i].first, "[" + cases[i].second + "]"), "[[" + expected[i] + "]]");
  }
}

TEST_F(PostgresqlBindingTest, SaysWhatIsWrong) {
  EXPECT_EQ(query(""), "required metadata not set: sql");
  EXPECT_EQ(query("SELEC 1"), "error executing query: ERROR: syntax error at or near \"SELEC\" (SQLSTATE 42601)");
  EXPECT_THAT(query("SELECT 1", "[1]"), HasSubstr("error executing query: "));
  EXPECT_THAT(query("SELECT 1; SELECT 2"), HasSubstr("multiple commands"));
  EXPECT_THAT(query("SELECT 1", "{}"), HasSubstr("failed to unserialize into an array"));
  EXPECT_THAT(query("SELECT 1", "[1"), HasSubstr("failed to unserialize into an array"));
  EXPECT_THAT(query("SELECT $1::text", R"(["a\u0000b"])"), HasSubstr("no zero byte"));
  EXPECT_THAT(query("SELECT 'NaN'::float8"), HasSubstr("json: unsupported value: NaN"));
  EXPECT_THAT(query("SELECT point(1,2)"), HasSubstr("cast it, to text for example"));
  EXPECT_EQ(query("SELECT 1"), "[[1]]") << "the connection is as good as before";
  const auto opened = open("  - {name: queryExecMode, value: simple_protocol}\n");
  EXPECT_THAT(opened.error().message, HasSubstr("queryExecMode"));
}

TEST_F(PostgresqlBindingTest, ATransactionEndsWithItsStatement) {
  EXPECT_EQ(exec("CREATE TABLE kept (id int)"), "0");
  EXPECT_EQ(exec("BEGIN"), "0");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(exec("INSERT INTO kept VALUES (1)"), "1");
  EXPECT_EQ(exec("ROLLBACK"), "0");
  EXPECT_EQ(query("SELECT count(*) FROM kept"), "[[20]]");
  EXPECT_EQ(exec("DROP TABLE kept"), "0");
}

TEST_F(PostgresqlBindingTest, ManyCallsAtOnce) {
  constexpr int kCalls = 100;
  std::vector<std::promise<Result<bindings::InvokeAnswer>>> promises(kCalls);
  for (int i = 0; i < kCalls; ++i) {
    binding_->invoke({}, {"query", "", {{"sql", "SELECT $1::int"}, {"params", "[" + std::to_string(i) + "]"}}},
                     [&promises, i](Result<bindings::InvokeAnswer> answer) {
                       promises[static_cast<std::size_t>(i)].set_value(std::move(answer));
                     });
  }
  for (int i = 0; i < kCalls; ++i) {
    const auto answer = promises[static_cast<std::size_t>(i)].get_future().get();
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(*answer->data, "[[" + std::to_string(i) + "]]");
  }
}

TEST_F(PostgresqlBindingTest, AfterCloseThereIsNothingMoreForThisApp) {
  ASSERT_TRUE(invoke("close", {}));
  ASSERT_TRUE(invoke("close", {}));
  EXPECT_EQ(query("SELECT 1"), "component is closed");
  // Another app has the same component, and has not closed it.
  const auto answer = invoke("query", {{"sql", "SELECT 1"}}, "other");
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(*answer->data, "[[1]]");
}

// The most memory that the process has had, in MiB.
std::size_t peak_mib() {
  std::ifstream status("/proc/self/status");
  std::string word;
  std::size_t kib = 0;
  while (status >> word) {
    if (word == "VmHWM:") status >> kib;
  }
  return kib / 1024;
}

TEST_F(PostgresqlBindingTest, TooManyRowsAreGivenUpBeforeTheyAreHere) {
  EXPECT_EQ(query("SELECT repeat('x', 100) FROM generate_series(1, 3)").size(), 3 * 105U + 1);
  const std::size_t before = peak_mib();
  EXPECT_EQ(query("SELECT repeat('x', 1000000) FROM generate_series(1, 3000)"),
            "the rows are more than 104857600 bytes");
  EXPECT_LT(peak_mib() - before, 700U);
  // Nor does exec keep what nobody reads.
  EXPECT_EQ(exec("SELECT repeat('x', 1000000) FROM generate_series(1, 1000)"), "1000");
  EXPECT_LT(peak_mib() - before, 700U);
  EXPECT_EQ(query("SELECT 1"), "[[1]]");
}

TEST_F(PostgresqlBindingTest, AValueThatCannotBeWrittenLetsTheStatementEnd) {
  EXPECT_EQ(exec("CREATE TABLE points (at point)"), "0");
  EXPECT_THAT(query("INSERT INTO points SELECT point(n, n) FROM generate_series(1, 5) n RETURNING at"),
              HasSubstr("cast it, to text for example"));
  EXPECT_EQ(query("SELECT count(*) FROM points"), "[[5]]");
  EXPECT_EQ(exec("DROP TABLE points"), "0");
}

TEST(PostgresqlJson, BytesThatAreNoValueAreRefused) {
  for (const unsigned type : {18U, 20U, 21U, 23U, 26U, 114U, 650U, 700U, 701U, 869U, 1007U, 1082U, 1083U, 1114U, 1186U,
                              1700U, 2950U, 3802U, 600U}) {
    EXPECT_FALSE(postgresql::json_value(type, "")) << type;
    EXPECT_FALSE(postgresql::json_value(type, std::string(7, '\xff'))) << type;
  }
}

}  // namespace
}  // namespace tandem::components
