#include "components/postgresql/connection_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace tandem::components::postgresql {
namespace {

using testing::HasSubstr;
using testing::Not;

ConnectionSettings settings_of(const std::string& text) {
  Result<ConnectionSettings> settings = make_settings({.connection_string = text});
  EXPECT_TRUE(settings) << text << ": " << settings.error().message;
  return settings.value_or(ConnectionSettings());
}

std::string parameter(const ConnectionSettings& settings, std::string_view word) {
  const auto found = std::ranges::find(settings.parameters, word, &Parameters::value_type::first);
  return found == settings.parameters.end() ? "(none)" : found->second;
}

std::string error_of(const ConnectionOptions& options) {
  const Result<ConnectionSettings> settings = make_settings(options);
  EXPECT_FALSE(settings);
  return settings ? "" : settings.error().message;
}

TEST(ConnectionSettings, ReadsWordsAsDaprsDriverDoes) {
  const ConnectionSettings settings = settings_of(
      "host=db user = app password=its port=5433 database=orders sslmode=require connect_timeout=3 "
      "pool_max_conns=7 pool_max_conn_idle_time=90s pool_min_conns=2 search_path='a b' application_name=x");
  ASSERT_EQ(settings.servers.size(), 1u);
  EXPECT_EQ(settings.servers[0].host, "db");
  EXPECT_EQ(settings.servers[0].port, "5433");
  EXPECT_EQ(settings.shown, "db:5433");
  EXPECT_EQ(parameter(settings, "user"), "app");
  EXPECT_EQ(parameter(settings, "dbname"), "orders");
  EXPECT_EQ(parameter(settings, "database"), "(none)");
  EXPECT_EQ(parameter(settings, "sslmode"), "require");
  EXPECT_EQ(parameter(settings, "application_name"), "x");
  EXPECT_EQ(parameter(settings, "options"), "-c search_path=a\\ b");
  EXPECT_EQ(parameter(settings, "pool_min_conns"), "(none)");
  EXPECT_EQ(parameter(settings, "client_encoding"), "UTF8");
  EXPECT_EQ(settings.max_connections, 7u);
  EXPECT_EQ(settings.max_idle, std::chrono::seconds(90));
  EXPECT_EQ(settings.connect_timeout, std::chrono::seconds(3));
  EXPECT_EQ(settings.mode, QueryMode::kPrepared);
}

TEST(ConnectionSettings, ReadsQuotesAndBackslashes) {
  const ConnectionSettings settings = settings_of(R"(host=h password='a b\'c\\d' user=e\ f)");
  EXPECT_EQ(parameter(settings, "password"), "a b'c\\d");
  EXPECT_EQ(parameter(settings, "user"), "e f");
}

TEST(ConnectionSettings, ReadsUrls) {
  const ConnectionSettings settings =
      settings_of("postgresql://us%40er:p%3Ass@[::1]:5433,db2/or%20ders?sslmode=disable&default_query_exec_mode=exec");
  ASSERT_EQ(settings.servers.size(), 2u);
  EXPECT_EQ(settings.servers[0].host, "::1");
  EXPECT_EQ(settings.servers[0].port, "5433");
  EXPECT_EQ(settings.servers[1].host, "db2");
  EXPECT_EQ(settings.servers[1].port, "");
  EXPECT_EQ(parameter(settings, "user"), "us@er");
  EXPECT_EQ(parameter(settings, "password"), "p:ss");
  EXPECT_EQ(parameter(settings, "dbname"), "or ders");
  EXPECT_EQ(settings.mode, QueryMode::kUnprepared);
  EXPECT_EQ(settings_of("postgres://").servers.size(), 1u) << "libpq's defaults";
}

TEST(ConnectionSettings, MetadataStandsAboveTheConnectionString) {
  for (const char* text :
       {"host=a port=1 user=b password=c dbname=d sslrootcert=e", "postgres://b:c@a:1/d?sslrootcert=e"}) {
    const Result<ConnectionSettings> settings = make_settings({.connection_string = text,
                                                               .host = "host",
                                                               .host_address = "10.0.0.1",
                                                               .port = "2",
                                                               .database = "database",
                                                               .user = "user",
                                                               .password = "password",
                                                               .ssl_root_cert = "file",
                                                               .query_exec_mode = "simple_protocol",
                                                               .max_connections = 1,
                                                               .max_idle = std::chrono::seconds(5)});
    ASSERT_TRUE(settings) << settings.error().message;
    EXPECT_EQ(settings->servers[0].host, "host");
    EXPECT_EQ(settings->servers[0].address, "10.0.0.1");
    EXPECT_EQ(settings->servers[0].port, "2");
    EXPECT_EQ(parameter(*settings, "dbname"), "database");
    EXPECT_EQ(parameter(*settings, "user"), "user");
    EXPECT_EQ(parameter(*settings, "password"), "password");
    EXPECT_EQ(parameter(*settings, "sslrootcert"), "file");
    EXPECT_EQ(settings->mode, QueryMode::kSimple);
    EXPECT_EQ(settings->max_connections, 1u);
    EXPECT_EQ(settings->max_idle, std::chrono::seconds(5));
  }
}

TEST(ConnectionSettings, VerifiesAgainstTheSystemWhenNoAuthorityIsNamed) {
  EXPECT_THAT(parameter(settings_of("host=a sslmode=verify-full"), "sslrootcert"), HasSubstr("/etc/ssl"));
  EXPECT_EQ(parameter(settings_of("host=a sslmode=verify-ca sslrootcert=own.pem"), "sslrootcert"), "own.pem");
  EXPECT_EQ(parameter(settings_of("host=a sslmode=require"), "sslrootcert"), "(none)");
}

TEST(ConnectionSettings, SaysWhatIsWrongWithoutThePassword) {
  EXPECT_THAT(error_of({}), HasSubstr("nothing says where the database is"));
  EXPECT_THAT(error_of({.connection_string = "host=a", .timeout = std::chrono::milliseconds(10)}),
              HasSubstr("'timeout'"));
  EXPECT_THAT(error_of({.connection_string = "host"}), HasSubstr("\"=\" is missing after \"host\""));
  EXPECT_THAT(error_of({.connection_string = "host=a password='secret"}),
              testing::AllOf(HasSubstr("the quote of \"password\" is not closed"), Not(HasSubstr("secret"))));
  EXPECT_THAT(error_of({.connection_string = "postgres://a:secret%zz@b"}),
              testing::AllOf(HasSubstr("password"), Not(HasSubstr("secret"))));
  EXPECT_THAT(error_of({.connection_string = "host=a port=99999"}), HasSubstr("port: must be a number"));
  EXPECT_THAT(error_of({.connection_string = "host=a,b hostaddr=1.2.3.4"}), HasSubstr("hostaddr"));
  EXPECT_THAT(error_of({.connection_string = "host=a service=x"}), HasSubstr("service: is not supported"));
  EXPECT_THAT(error_of({.connection_string = "host=a pool_max_conns=0"}), HasSubstr("pool_max_conns"));
  EXPECT_THAT(error_of({.connection_string = "host=a", .query_exec_mode = "magic"}),
              HasSubstr("invalid queryExecMode metadata value: magic"));
}

}  // namespace
}  // namespace tandem::components::postgresql
