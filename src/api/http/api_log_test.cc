#include "api/http/api_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <optional>

#include "api/http/testing/test_api.h"

namespace tandem::api::http {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A logger, and what it has written since the last look.
class Lines final {
 public:
  Lines() : fd_(::memfd_create("log", 0)), logger({.level = LogLevel::kError, .fd = fd_}) {}
  ~Lines() { ::close(fd_); }
  std::string take() {
    std::string text(static_cast<std::size_t>(::lseek(fd_, 0, SEEK_CUR)), '\0');
    EXPECT_EQ(::pread(fd_, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    EXPECT_EQ(::ftruncate(fd_, 0), 0);
    ::lseek(fd_, 0, SEEK_SET);
    return text;
  }

 private:
  const int fd_;

 public:
  const Logger logger;
};

class ApiLogTest : public testing::Test {
 protected:
  TestApi& api(ApiLog::Method method = ApiLog::Method::kPath,
               ApiLog::HealthChecks health = ApiLog::HealthChecks::kLogged) {
    log_.emplace(lines.logger, method, health);
    api_.emplace(Backends::kAll, [&](ApiOptions& options) {
      options.log = &*log_;
      options.api_token = token;
    });
    return *api_;
  }
  std::string line_of(std::string method, std::string target) {
    api_->call({.method = std::move(method), .target = std::move(target)});
    return lines.take();
  }

  Lines lines;
  std::string token;

 private:
  std::optional<ApiLog> log_;
  std::optional<TestApi> api_;
};

TEST_F(ApiLogTest, ALineAnswersWhatWasAskedAndHow) {
  api().post("/v1.0/state/store", R"([{"key":"a b","value":"four"}])");
  EXPECT_THAT(lines.take(), AllOf(HasSubstr("level=info msg=\"HTTP API Called\" "), HasSubstr(" code=204 duration="),
                                  HasSubstr(" method=\"POST /v1.0/state/store\" "),
                                  HasSubstr(" scope=dapr.runtime.http-info size=0 "), Not(HasSubstr("useragent"))));
  api().call({.method = "GET", .target = "/v1.0/state//store/a%20b?x=y", .headers = {{"User-Agent", "me/1"}}});
  EXPECT_THAT(lines.take(), AllOf(HasSubstr("method=\"GET /v1.0/state//store/a b\""), HasSubstr(" useragent=me/1 ")));
  EXPECT_THAT(line_of("GET", "/v1.0/healthz"), HasSubstr("method=\"GET /v1.0/healthz\""));
  EXPECT_THAT(line_of("GET", "/nothing"), HasSubstr("code=404"));
}

TEST_F(ApiLogTest, ACallWithoutTheTokenLeavesNone) {
  token = "secret";
  api().get("/v1.0/metadata");
  EXPECT_THAT(lines.take(), IsEmpty());
  EXPECT_THAT(line_of("GET", "/v1.0/healthz"), HasSubstr("code=204"));
}

TEST_F(ApiLogTest, HealthChecksMayBeLeftOut) {
  api(ApiLog::Method::kPath, ApiLog::HealthChecks::kOmitted);
  EXPECT_THAT(line_of("GET", "/v1.0/healthz"), IsEmpty());
  EXPECT_THAT(line_of("GET", "/v1.0/healthz/outbound"), IsEmpty());
  EXPECT_THAT(line_of("GET", "/v1.0/metadata"), HasSubstr("code=200"));
}

TEST_F(ApiLogTest, ObfuscatedItNamesTheEndpoint) {
  api(ApiLog::Method::kEndpoint);
  EXPECT_THAT(line_of("GET", "/v1.0/state/store/secret"), AllOf(HasSubstr(" method=GetState "), HasSubstr("code=204")));
  EXPECT_THAT(line_of("GET", "/v1.0/invoke/callee/method/secret"), HasSubstr(" method=InvokeService/callee "));
  EXPECT_THAT(line_of("GET", "/nowhere"), HasSubstr(" method=InvokeService "));
}

TEST(EndpointNameTest, IsDaprs) {
  struct Case {
    std::string_view method;
    std::string_view target;
    std::string_view name;
  };
  for (const Case& one : std::initializer_list<Case>{
           {"POST", "/v1.0/state/s", "SaveState"},
           {"DELETE", "/v1.0/state/s/k", "DeleteState"},
           {"POST", "/v1.0/state/s/bulk", "GetBulkState"},
           {"PUT", "/v1.0/state/s/transaction", "ExecuteStateTransaction"},
           {"POST", "/v1.0-alpha1/state/s/query", "QueryStateAlpha1"},
           {"POST", "/v1.0/publish/p/a/b", "PublishEvent"},
           {"POST", "/v1.0/publish/bulk/p/a", "BulkPublishEvent"},
           {"POST", "/v1.0/publish/bulk/a", "PublishEvent"},
           {"GET", "/v1.0/healthz/outbound", "HealthzOutbound"},
           {"PUT", "/v1.0/metadata/k", "PutMetadata"},
           {"POST", "/v1.0/shutdown", "Shutdown"},
           {"GET", "/v1.0/secrets/s/k", "GetSecret"},
           {"GET", "/v1.0/secrets/s/bulk", "GetBulkSecret"},
           {"GET", "/v1.0/configuration/s", "GetConfiguration"},
           {"GET", "/v1.0/configuration/s/subscribe", "SubscribeConfiguration"},
           {"GET", "/v1.0/configuration/s/1/unsubscribe", "UnsubscribeConfiguration"},
           {"POST", "/v1.0/bindings/b", "InvokeBinding"},
           {"POST", "/v1.0-alpha1/lock/s", "TryLock"},
           {"POST", "/v1.0-alpha1/unlock/s", "Unlock"},
           {"PUT", "/v1.0-alpha1/crypto/s/decrypt", "Decrypt"},
           {"POST", "/v1.0-alpha1/subtlecrypto/s/wrapkey", "SubtleWrapKey"},
           {"POST", "/v1.0/actors/t/i/method/m", "InvokeActor/t.i"},
           {"POST", "/v1.0/actors/t/i/state", "ExecuteActorStateTransaction"},
           {"DELETE", "/v1.0/actors/t/i/timers/n", "UnregisterActorTimer"},
           {"GET", "/v1.0/actors/t/i/reminders/n", "GetActorReminder"},
           {"POST", "/v1.0/workflows/w/n/start", "StartWorkflow"},
           {"POST", "/v1.0/workflows/w/i/raiseEvent/e", "RaiseEventWorkflow"},
           {"GET", "/v1.0/workflows/w/i", "GetWorkflow"},
           {"DELETE", "/v1.0-alpha1/jobs/j", "DeleteJob"},
           {"POST", "/v1.0-alpha2/conversation/c/converse", "Converse"},
       }) {
    EXPECT_EQ(endpoint_name(one.method, Target(one.target)), one.name) << one.target;
  }
}

}  // namespace
}  // namespace tandem::api::http
