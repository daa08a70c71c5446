#include "api/http/router.h"

#include <gtest/gtest.h>

namespace tandem::api::http {
namespace {

struct Case {
  std::string_view method;
  std::string_view target;
  Route route;
  std::string_view name = {};
  std::string_view item = {};
};

TEST(RouterTest, FindsTheOperation) {
  const Case cases[] = {
      {"GET", "/v1.0/state/s/k", Route::kGetState, "s", "k"},
      {"GET", "/v1.0/state/s/k/?x=1", Route::kGetState, "s", "k"},
      {"GET", "//v1.0//state/./s/x/../k", Route::kGetState, "s", "k"},
      {"GET", "/v1.0/state/s/a%2Fb", Route::kGetState, "s", "a%2Fb"},
      {"GET", "/v1.0/state/s/bulk", Route::kGetState, "s", "bulk"},
      {"DELETE", "/v1.0/state/s/transaction", Route::kDeleteState, "s", "transaction"},
      {"POST", "/v1.0/state/s", Route::kSaveState, "s"},
      {"PUT", "/v1.0/state/s/", Route::kSaveState, "s"},
      {"POST", "/v1.0/state/s/bulk", Route::kBulkGetState, "s"},
      {"PUT", "/v1.0/state/s/transaction", Route::kStateTransaction, "s"},
      {"POST", "/v1.0-alpha1/state/s/query", Route::kQueryState, "s"},
      {"POST", "/v1.0/publish/p/t", Route::kPublish, "p", "t"},
      {"PUT", "/v1.0/publish/p/a/b/c", Route::kPublish, "p", "a/b/c"},
      {"POST", "/v1.0/publish/bulk/t", Route::kPublish, "bulk", "t"},
      {"POST", "/v1.0/publish/bulk/p/t", Route::kBulkPublish, "p", "t"},
      {"POST", "/v1.0-alpha1/publish/bulk/p/a/b", Route::kBulkPublish, "p", "a/b"},
      {"POST", "/v1.0/publish/p/1/2/3/4/5/6/7/8/9", Route::kPublish, "p", "1/2/3/4/5/6/7/8/9"},
      {"GET", "/v1.0/healthz", Route::kHealthz},
      {"GET", "/v1.0/healthz/outbound", Route::kOutboundHealthz},
      {"GET", "/v1.0/metadata", Route::kGetMetadata},
      {"PUT", "/v1.0/metadata/k", Route::kPutMetadata, "", "k"},
      {"POST", "/v1.0/shutdown", Route::kShutdown},
      {"GET", "/v1.0/secrets/s/k", Route::kGetSecret, "s", "k"},
      {"GET", "/v1.0/secrets/s/bulk", Route::kBulkGetSecret, "s"},
      {"GET", "/v1.0/configuration/c", Route::kGetConfiguration, "c"},
      {"GET", "/v1.0-alpha1/configuration/c/subscribe", Route::kSubscribeConfiguration, "c"},
      {"GET", "/v1.0/configuration/c/id/unsubscribe", Route::kUnsubscribeConfiguration, "c", "id"},
      {"POST", "/v1.0/bindings/b", Route::kBinding, "b"},
      {"POST", "/v1.0-alpha1/lock/l", Route::kLock, "l"},
      {"POST", "/v1.0-alpha1/unlock/l", Route::kLock, "l"},
      {"PUT", "/v1.0-alpha1/crypto/c/encrypt", Route::kCrypto, "c"},
      {"POST", "/v1.0-alpha1/subtlecrypto/c/sign", Route::kSubtleCrypto, "c"},
      {"POST", "/v1.0/actors/t/1/method/m", Route::kActors},
      {"GET", "/v1.0/actors/t/1/state/k", Route::kActors},
      {"PUT", "/v1.0/actors/t/1/state", Route::kActors},
      {"DELETE", "/v1.0/actors/t/1/timers/x", Route::kActors},
      {"GET", "/v1.0/workflows/dapr/1", Route::kWorkflows},
      {"POST", "/v1.0-beta1/workflows/dapr/w/start", Route::kWorkflows},
      {"POST", "/v1.0/workflows/dapr/1/raiseEvent/e", Route::kWorkflows},
      {"POST", "/v1.0-alpha2/conversation/c/converse", Route::kConversation, "c"},
      {"POST", "/v1.0-alpha1/jobs/j", Route::kScheduleJob, "j"},
      {"GET", "/v1.0/jobs/j", Route::kGetJob, "j"},
      {"DELETE", "/v1.0/jobs/j", Route::kDeleteJob, "j"},
  };
  for (const Case& c : cases) {
    const Target target(c.target);
    const Match match = match_route(c.method, target);
    EXPECT_EQ(match.route, c.route) << c.method << ' ' << c.target;
    EXPECT_EQ(match.name, c.name) << c.target;
    EXPECT_EQ(match.item, c.item) << c.target;
  }
}

TEST(RouterTest, EverythingElseIsAnInvocation) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"GET", "/"},
      {"GET", ""},
      {"OPTIONS", "*"},
      {"GET", "/v1.0"},
      {"GET", "/v1.0/state/s"},
      {"PATCH", "/v1.0/state/s"},
      {"POST", "/v1.0/state/s/k"},
      {"GET", "/v1.0/state/s/k/more"},
      {"HEAD", "/v1.0/healthz"},
      {"POST", "/v1.0/healthz"},
      {"GET", "/v1.0/shutdown"},
      {"GET", "/v1.0/publish/p/t"},
      {"POST", "/v1.0/publish/p"},
      {"POST", "/v1.0-alpha1/publish/p/t"},
      {"POST", "/v1.0-alpha1/state/s"},
      {"GET", "/v2.0/state/s/k"},
      {"GET", "/v1.0%2Fstate/s/k"},
      {"POST", "/v1.0/invoke/app/method/m"},
      {"GET", "/orders/1"},
      {"POST", "/v1.0/lock/l"},
      {"POST", "/v1.0/actors/t/1/method"},
  };
  for (const auto& [method, path] : cases) {
    const Target target(path);
    EXPECT_EQ(match_route(method, target).route, Route::kInvoke) << method << ' ' << path;
  }
}

TEST(TargetTest, DecodesAsGoDoes) {
  EXPECT_EQ(unescape_query("a%2Fb+c%20d%zz").error().code, Code::kInvalidArgument);
  EXPECT_EQ(unescape_query("a%2Fb+c%20d").value(), "a/b c d");
  EXPECT_EQ(unescape_path("a+b%2F").value(), "a+b/");
  EXPECT_FALSE(unescape_path("%"));
  EXPECT_FALSE(unescape_path("%4"));
  EXPECT_EQ(escape_path("/a b/\u00e9?#%+"), "/a%20b/%C3%A9%3F%23%25+");
}

TEST(TargetTest, CleansPathsAsGoDoes) {
  EXPECT_EQ(clean_path("/a//b/./c/../d/"), "/a/b/d");
  EXPECT_EQ(clean_path("/../.."), "/");
  EXPECT_EQ(clean_path(""), ".");
  EXPECT_EQ(clean_path("../a/../../b"), "../../b");
  EXPECT_EQ(clean_path("a/.."), ".");
}

TEST(TargetTest, ReadsTheQuery) {
  EXPECT_EQ(query_value("a=1&b=x%20y&a=2", "a"), "1");
  EXPECT_EQ(query_value("a=1&b=x%20y", "b"), "x y");
  EXPECT_EQ(query_value("flag", "flag"), "");
  EXPECT_EQ(query_value("a=%zz&a=2", "a"), "2");
  EXPECT_EQ(query_value("a;b=1", "b"), std::nullopt);
  EXPECT_EQ(query_metadata("metadata.ttl=5&x=1&metadata.a+b=%26&metadata.ttl=6&metadatax=1"),
            (Metadata{{"ttl", "5"}, {"a b", "&"}}));
}

}  // namespace
}  // namespace tandem::api::http
