// state.redis over Debian's redis-server: what is Redis's own beside the conformance suite. How values are laid out,
// what becomes of servers that go away, TLS, credentials, sentinels.
#include "components/state/redis/redis_state_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "components/redis/testing/fake_redis.h"
#include "components/redis/testing/redis_server.h"
#include "components/state/redis/testing/redis_fixture.h"
#include "net/testing/scripted_server.h"

namespace tandem::components {
namespace {

using state::Concurrency;
using state::Consistency;
using state::DeleteRequest;
using state::is_etag_invalid;
using state::is_etag_mismatch;
using state::SetRequest;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::AllOf;
using testing::Ge;
using testing::HasSubstr;
using testing::Le;

class RedisStateStoreTest : public testing::Test, protected RedisFixture {
 protected:
  void SetUp() override { ASSERT_TRUE(open(server_at(server_.port()))); }

  RedisServer server_;
  OtherClient other_{server_at(server_.port())};
};

using Hash = std::map<std::string, std::string>;

TEST_F(RedisStateStoreTest, KeepsWhatDaprKeeps) {
  ASSERT_TRUE(set("app||k", "{\"a\":1}"));
  EXPECT_EQ(other_.hash("app||k"), (Hash{{"data", "{\"a\":1}"}, {"version", "1"}}));
  ASSERT_TRUE(set("app||k", "2"));
  EXPECT_EQ(other_.hash("app||k"), (Hash{{"data", "2"}, {"version", "2"}}));
  EXPECT_EQ(get("app||k")->etag, "2");
  ASSERT_TRUE(set({.key = "app||f", .value = share("1"), .concurrency = Concurrency::kFirstWrite}));
  EXPECT_EQ(other_.hash("app||f"), (Hash{{"data", "1"}, {"first-write", "0"}, {"version", "1"}}));
  ASSERT_TRUE(remove({.key = "app||k"}));
  EXPECT_EQ(other_.number({"EXISTS", "app||k"}), 0);
}

TEST_F(RedisStateStoreTest, ReadsWhatDaprAndOthersHaveWritten) {
  ASSERT_EQ(other_.number({"HSET", "app||k", "data", "\"text\"", "version", "41", "first-write", "0"}), 3);
  EXPECT_EQ(*get("app||k")->data, "\"text\"");
  EXPECT_EQ(get("app||k")->etag, "41");
  ASSERT_TRUE(other_.ask({"SET", "app||plain", "a string"}));
  EXPECT_EQ(*get("app||plain")->data, "a string");
  EXPECT_EQ(get("app||plain")->etag, "");
  ASSERT_EQ(other_.number({"HSET", "app||half", "data", "1"}), 1);
  EXPECT_THAT(get("app||half").error().message, HasSubstr("'version' was not found"));
  ASSERT_EQ(other_.number({"RPUSH", "app||list", "1"}), 1);
  EXPECT_EQ(get("app||list").error().code, Code::kInternal);
  // A write takes the place of whatever was there.
  ASSERT_TRUE(set("app||plain", "1"));
  ASSERT_TRUE(set("app||list", "1"));
  EXPECT_EQ(other_.hash("app||list"), (Hash{{"data", "1"}, {"version", "1"}}));
  EXPECT_EQ(get("app||plain")->etag, "1");
}

TEST_F(RedisStateStoreTest, ETagsAreNumbersAndCountOnlyWhereThereIsAValue) {
  EXPECT_TRUE(is_etag_invalid(set({.key = "k", .value = share("1"), .etag = "soon"}).error()));
  EXPECT_TRUE(set({.key = "k", .value = share("1"), .etag = "17"}));
  EXPECT_TRUE(is_etag_mismatch(set({.key = "k", .value = share("2"), .etag = "17"}).error()));
  EXPECT_TRUE(set({.key = "k", .value = share("2"), .etag = "+01"}));
  EXPECT_EQ(value("k"), "2");
  EXPECT_TRUE(is_etag_mismatch(remove({.key = "k", .etag = "soon"}).error()));
  // The last write wins, and its ETag does not count.
  EXPECT_TRUE(set({.key = "k", .value = share("3"), .etag = "17", .concurrency = Concurrency::kLastWrite}));
  EXPECT_TRUE(remove({.key = "k", .etag = "3"}));
  EXPECT_TRUE(remove({.key = "k", .etag = "3"}));
}

TEST_F(RedisStateStoreTest, AMarkedFirstWriteGivesWayOnlyToItsETag) {
  ASSERT_TRUE(set({.key = "k", .value = share("1"), .concurrency = Concurrency::kFirstWrite}));
  for (const Concurrency concurrency : {Concurrency::kFirstWrite, Concurrency::kLastWrite, Concurrency::kUnspecified}) {
    const Status refused = set({.key = "k", .value = share("2"), .concurrency = concurrency});
    EXPECT_EQ(refused.error().message, "failed to set key k");
    EXPECT_EQ(refused.error().code, Code::kInternal);
  }
  EXPECT_TRUE(set({.key = "k", .value = share("2"), .etag = "1", .concurrency = Concurrency::kFirstWrite}));
  // Where no first write is marked there is nothing that it would be second to.
  ASSERT_TRUE(set("plain", "1"));
  EXPECT_TRUE(set({.key = "plain", .value = share("2"), .concurrency = Concurrency::kFirstWrite}));
  EXPECT_FALSE(set("plain", "3"));
}

TEST_F(RedisStateStoreTest, TtlsAreExpireAndPersist) {
  ASSERT_TRUE(set({.key = "k", .value = share("1"), .ttl_seconds = 100}));
  EXPECT_THAT(other_.number({"TTL", "k"}), AllOf(Ge(98), Le(100)));
  // A write without one leaves the time as it is.
  ASSERT_TRUE(set("k", "2"));
  EXPECT_THAT(other_.number({"TTL", "k"}), AllOf(Ge(98), Le(100)));
  ASSERT_TRUE(set({.key = "k", .value = share("3"), .ttl_seconds = -1}));
  EXPECT_EQ(other_.number({"TTL", "k"}), -1);
  ASSERT_TRUE(transact({SetRequest{.key = "k", .value = share("4"), .ttl_seconds = 50}}));
  EXPECT_THAT(other_.number({"TTL", "k"}), AllOf(Ge(48), Le(50)));
  ASSERT_TRUE(transact({SetRequest{.key = "k", .value = share("5"), .ttl_seconds = 0}}));
  EXPECT_EQ(other_.number({"TTL", "k"}), -1);
}

TEST_F(RedisStateStoreTest, TheComponentsTtlIsForWritesThatHaveNone) {
  ASSERT_TRUE(open({.redis = server_at(server_.port()), .ttl_seconds = 30}));
  ASSERT_TRUE(set("k", "1"));
  EXPECT_THAT(other_.number({"TTL", "k"}), AllOf(Ge(28), Le(30)));
  ASSERT_TRUE(set({.key = "k", .value = share("1"), .ttl_seconds = 100}));
  EXPECT_THAT(other_.number({"TTL", "k"}), AllOf(Ge(98), Le(100)));
  ASSERT_TRUE(transact({SetRequest{.key = "k", .value = share("1")}}));
  EXPECT_THAT(other_.number({"TTL", "k"}), AllOf(Ge(28), Le(30)));
}

TEST_F(RedisStateStoreTest, ATransactionFollowsTheVersionsThatItMakes) {
  ASSERT_TRUE(set("a", "0"));
  ASSERT_TRUE(
      transact({SetRequest{.key = "a", .value = share("1"), .etag = "1"},
                SetRequest{.key = "a", .value = share("2"), .etag = "2"}, DeleteRequest{.key = "a", .etag = "3"},
                SetRequest{.key = "a", .value = share("new"), .etag = "77"}}));
  EXPECT_EQ(other_.hash("a"), (Hash{{"data", "new"}, {"version", "1"}}));
  EXPECT_TRUE(is_etag_mismatch(
      transact({SetRequest{.key = "b", .value = share("1")}, SetRequest{.key = "a", .value = share("1"), .etag = "1"},
                DeleteRequest{.key = "a", .etag = "1"}})
          .error()));
  EXPECT_EQ(value("b"), "(none)");
  EXPECT_EQ(value("a"), "new");
  ASSERT_TRUE(other_.ask({"SET", "s", "a string"}));
  ASSERT_TRUE(transact({SetRequest{.key = "s", .value = share("1")}}));
  EXPECT_EQ(other_.hash("s"), (Hash{{"data", "1"}, {"version", "1"}}));
  EXPECT_TRUE(is_etag_invalid(transact({SetRequest{.key = "a", .value = share("1"), .etag = "x"}}).error()));
}

TEST_F(RedisStateStoreTest, ScriptsThatTheServerHasForgottenAreLoadedAgain) {
  ASSERT_TRUE(set("k", "1"));
  ASSERT_TRUE(other_.ask({"SCRIPT", "FLUSH"}));
  ASSERT_TRUE(set("k", "2"));
  ASSERT_TRUE(other_.ask({"SCRIPT", "FLUSH"}));
  ASSERT_TRUE(transact({SetRequest{.key = "k", .value = share("3")}}));
  EXPECT_EQ(value("k"), "3");
  EXPECT_EQ(get("k")->etag, "3");
}

TEST_F(RedisStateStoreTest, WithoutTheJsonModuleJsonIsAValueLikeAnyOther) {
  EXPECT_FALSE(store().has_json());
  ASSERT_TRUE(set({.key = "k", .value = share("{\"a\":1}"), .metadata = {{"contentType", "application/json"}}}));
  EXPECT_EQ(other_.hash("k"), (Hash{{"data", "{\"a\":1}"}, {"version", "1"}}));
  ASSERT_TRUE(
      transact({SetRequest{.key = "k", .value = share("2"), .metadata = {{"contentType", "application/json"}}}}));
  EXPECT_EQ(value("k"), "2");
}

TEST_F(RedisStateStoreTest, AServerThatHasGoneIsAnErrorAndComesBack) {
  ASSERT_TRUE(set("k", "1"));
  server_.kill();
  const auto before = steady_clock::now();
  EXPECT_EQ(set("k", "2").error().code, Code::kUnavailable);
  EXPECT_EQ(get("k").error().code, Code::kUnavailable);
  EXPECT_FALSE(ping());
  EXPECT_LT(steady_clock::now() - before, seconds(10));
  server_.start();
  EXPECT_TRUE(set("k", "3"));
  EXPECT_EQ(value("k"), "3");
  EXPECT_TRUE(ping());
}

TEST_F(RedisStateStoreTest, AServerThatDoesNotAnswerIsAnErrorInTime) {
  RedisOptions options = server_at(server_.port());
  options.read_timeout = milliseconds(300);
  options.write_timeout = milliseconds(300);
  ASSERT_TRUE(open(options));
  ASSERT_TRUE(set("k", "1"));
  server_.process().pause();
  const auto before = steady_clock::now();
  const Status late = set("k", "2");
  EXPECT_FALSE(late);
  EXPECT_THAT(late.error().message, HasSubstr("whether the command was carried out is not known"));
  EXPECT_FALSE(get("k"));
  EXPECT_LT(steady_clock::now() - before, seconds(5));
  server_.process().resume();
  EXPECT_TRUE(set("k", "3"));
  EXPECT_EQ(value("k"), "3");
}

TEST_F(RedisStateStoreTest, AStoreThatIsClosedSaysSo) {
  store().close(steady_clock::now() + seconds(5));
  EXPECT_EQ(set("k", "1").error().code, Code::kUnavailable);
  EXPECT_EQ(get("k").error().message, "the connection to Redis is closed");
}

TEST_F(RedisStateStoreTest, ClosingWaitsForWhatIsUnderWay) {
  std::atomic<int> written = 0;
  CallContext context;
  std::promise<void> sent;
  workers()[0].post([&] {
    for (int i = 0; i < 500; ++i) {
      store().set(context, {.key = "k" + std::to_string(i), .value = share("1")},
                  [&](Result<void> result) { written += result ? 1 : 0; });
    }
    sent.set_value();
  });
  sent.get_future().wait();
  store().close(steady_clock::now() + seconds(10));
  EXPECT_EQ(written, 500);
}

// A server with RedisJSON, as far as this store sees one.
std::string answer_with_json(const FakeRedis::Words& words) {
  if (words[0] == "PING") return "+PONG\r\n";
  if (words[0] == "INFO") return FakeRedis::bulk("# Replication\r\nrole:master\r\nconnected_slaves:0\r\n");
  if (words[0] == "SCRIPT") return FakeRedis::bulk("digest of " + std::to_string(words[2].size()));
  if (words[0] == "EVALSHA") return words[4] == "9" ? ":0\r\n" : ":1\r\n";
  if (words == FakeRedis::Words{"JSON.GET"}) return "-ERR wrong number of arguments for 'JSON.GET' command\r\n";
  if (words == FakeRedis::Words{"JSON.GET", "k"}) {
    return FakeRedis::bulk("{\"data\":{\"a\":[1,\"ü\"]},\"version\":3,\"first-write\":0}");
  }
  return "$-1\r\n";
}

TEST(RedisStateStoreJsonTest, WithTheModuleJsonIsKeptAsJson) {
  FakeRedis server(answer_with_json);
  RedisFixture fixture;
  ASSERT_TRUE(fixture.open(server_at(server.port())));
  EXPECT_TRUE(fixture.store().has_json());
  const Metadata json = {{"contentType", "application/json"}};
  const Result<state::GetResponse> read = fixture.get("k", json);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read->data, "{\"a\":[1,\"ü\"]}");
  EXPECT_EQ(read->etag, "3");
  EXPECT_EQ(fixture.get("missing", json)->data, nullptr);
  ASSERT_TRUE(fixture.set({.key = "k", .value = share("[true]"), .etag = "3", .ttl_seconds = 5, .metadata = json}));
  FakeRedis::Words call = server.heard().back();
  EXPECT_EQ(call, (FakeRedis::Words{"EVALSHA", call[1], "1", "k", "3", "{\"data\":[true]}", "1", "5"}));
  EXPECT_TRUE(is_etag_mismatch(fixture.set({.key = "k", .value = share("1"), .etag = "9", .metadata = json}).error()));
  EXPECT_EQ(fixture.set({.key = "k", .value = share("{no"), .metadata = json}).error().code, Code::kInvalidArgument);
  ASSERT_TRUE(fixture.remove({.key = "k", .metadata = json}));
  const std::string json_delete = server.heard().back()[1];
  ASSERT_TRUE(fixture.remove({.key = "k"}));
  EXPECT_NE(server.heard().back()[1], json_delete);
  ASSERT_TRUE(fixture.transact(
      {SetRequest{.key = "a", .value = share("1"), .metadata = json}, DeleteRequest{.key = "b", .etag = "4"}}));
  call = server.heard().back();
  EXPECT_EQ(call,
            (FakeRedis::Words{"EVALSHA", call[1], "2", "a", "b", "jset", "0", "{\"data\":1}", "", "del", "4", "", ""}));
}

TEST(RedisStateStoreStartTest, AWrongPasswordIsOneClearError) {
  RedisServer server({.arguments = {"--requirepass", "right"}});
  RedisFixture fixture;
  RedisOptions options = server_at(server.port());
  Status none = fixture.open(options);
  EXPECT_EQ(none.error().code, Code::kUnauthenticated);
  EXPECT_THAT(none.error().message, HasSubstr("needs a password (redisPassword)"));
  options.password = "wrong";
  Status wrong = fixture.open(options);
  EXPECT_EQ(wrong.error().code, Code::kUnauthenticated);
  EXPECT_THAT(wrong.error().message, AllOf(HasSubstr("WRONGPASS"), HasSubstr(std::to_string(server.port()))));
  EXPECT_THAT(wrong.error().message, testing::Not(HasSubstr("\"wrong\"")));
  options.password = "right";
  ASSERT_TRUE(fixture.open(options));
  EXPECT_TRUE(fixture.set("k", "1"));
  EXPECT_EQ(fixture.value("k"), "1");
}

TEST(RedisStateStoreStartTest, UsersAndDatabases) {
  RedisServer server({.arguments = {"--user", "orders", "on", ">secret", "~*", "+@all"}});
  RedisFixture fixture;
  RedisOptions options = server_at(server.port());
  options.username = "orders";
  options.password = "secret";
  options.database = 3;
  ASSERT_TRUE(fixture.open(options));
  ASSERT_TRUE(fixture.set("k", "1"));
  OtherClient other(options);
  EXPECT_EQ(other.hash("k"), (Hash{{"data", "1"}, {"version", "1"}}));
  OtherClient elsewhere(server_at(server.port()));
  EXPECT_EQ(elsewhere.number({"EXISTS", "k"}), 0);
  options.database = 99;
  EXPECT_THAT(fixture.open(options).error().message, HasSubstr("DB index is out of range"));
}

TEST(RedisStateStoreStartTest, NobodyThereIsOneClearError) {
  RedisFixture fixture;
  const std::uint16_t port = free_port();
  RedisOptions options = server_at(port);
  options.max_retry_interval = milliseconds(1);
  const Status status = fixture.open(options);
  EXPECT_EQ(status.error().code, Code::kUnavailable);
  EXPECT_THAT(status.error().message, HasSubstr("cannot connect to 127.0.0.1:" + std::to_string(port)));
  options.addresses = {{"no-such-host.invalid", 6379}};
  EXPECT_THAT(fixture.open(options).error().message, HasSubstr("cannot resolve no-such-host.invalid"));
}

TEST(RedisStateStoreStartTest, SomethingThatIsNotRedis) {
  FakeRedis server([](const FakeRedis::Words&) { return "HTTP/1.1 400 Bad Request\r\n\r\n"; });
  RedisFixture fixture;
  RedisOptions options = server_at(server.port());
  options.max_retries = 0;
  EXPECT_THAT(fixture.open(options).error().message, HasSubstr("this is not Redis's protocol"));
}

// Certificates of its own, with the authority in the environment as an operating system would have it.
class Certificates final {
 public:
  explicit Certificates(const std::filesystem::path& folder) : folder_(folder) {
    std::filesystem::create_directories(folder);
    write("server", server_);
    write("client", client_);
    ::setenv("SSL_CERT_FILE", (folder_ / "server.crt").c_str(), 1);
  }
  ~Certificates() {
    ::unsetenv("SSL_CERT_FILE");
    std::filesystem::remove_all(folder_);
  }

  RedisServer::Options server_options(std::string clients) const {
    return {.arguments = {"--port", "0", "--tls-cert-file", path("server.crt"), "--tls-key-file", path("server.key"),
                          "--tls-ca-cert-file", path("client.crt"), "--tls-auth-clients", std::move(clients)},
            .port_option = "--tls-port"};
  }
  const net::Certificate& client() const { return client_; }

 private:
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  void write(const std::string& name, const net::Certificate& certificate) const {
    std::ofstream(folder_ / (name + ".crt")) << certificate.certificate_pem;
    std::ofstream(folder_ / (name + ".key")) << certificate.key_pem;
  }

  const std::filesystem::path folder_;
  const net::Certificate server_ = net::self_signed("DNS:localhost");
  const net::Certificate client_ = net::self_signed("DNS:client");
};

std::filesystem::path certificate_folder() {
  return std::filesystem::path(testing::TempDir()) / ("redis_certificates_" + std::to_string(::getpid()));
}

TEST(RedisStateStoreTlsTest, TheServersCertificateIsVerified) {
  const Certificates certificates(certificate_folder());
  RedisServer server(certificates.server_options("no"));
  RedisFixture fixture;
  RedisOptions options = server_at(server.port());
  options.max_retries = 0;
  options.addresses[0].host = "localhost";
  options.tls = *net::TlsClient::make({});
  ASSERT_TRUE(fixture.open(options));
  ASSERT_TRUE(fixture.set("k", std::string(300'000, 'x')));
  EXPECT_EQ(fixture.value("k").size(), 300'000u);
  // Its name is not this address.
  options.addresses[0].host = "127.0.0.1";
  EXPECT_THAT(fixture.open(options).error().message, HasSubstr("its certificate is refused"));
  options.tls = *net::TlsClient::make({.verify = net::TlsClientOptions::Verify::kNothing});
  EXPECT_TRUE(fixture.open(options));
  options.tls = nullptr;
  EXPECT_FALSE(fixture.open(options));
}

TEST(RedisStateStoreTlsTest, AServerMayAskForTheClientsCertificate) {
  const Certificates certificates(certificate_folder());
  RedisServer server(certificates.server_options("yes"));
  RedisFixture fixture;
  RedisOptions options = server_at(server.port());
  options.max_retries = 0;
  options.addresses[0].host = "localhost";
  options.tls = *net::TlsClient::make({});
  EXPECT_EQ(fixture.open(options).error().code, Code::kUnavailable);
  options.tls = *net::TlsClient::make(
      {.certificate_pem = certificates.client().certificate_pem, .key_pem = certificates.client().key_pem});
  ASSERT_TRUE(fixture.open(options));
  EXPECT_TRUE(fixture.set("k", "1"));
}

}  // namespace
}  // namespace tandem::components
