#include "api/http/router.h"

#include <algorithm>
#include <array>

namespace tandem::api::http {
namespace {

enum class Version { kV1, kAlpha1, kAlpha2, kBeta1, kOther };

Version version_of(std::string_view segment) {
  if (segment == "v1.0") return Version::kV1;
  if (segment == "v1.0-alpha1") return Version::kAlpha1;
  if (segment == "v1.0-alpha2") return Version::kAlpha2;
  if (segment == "v1.0-beta1") return Version::kBeta1;
  return Version::kOther;
}

bool is_post_or_put(std::string_view method) { return method == "POST" || method == "PUT"; }

constexpr Match kNone{};

// /{version}/state/{store}[/{key}]
Match match_state(Version version, std::string_view method, const Target& target) {
  const std::string_view store = target[2];
  if (version == Version::kAlpha1) {
    const bool query = target.size() == 4 && target[3] == "query" && is_post_or_put(method);
    return query ? Match{Route::kQueryState, store, {}} : kNone;
  }
  if (version != Version::kV1) return kNone;
  if (target.size() == 3 && is_post_or_put(method)) return {Route::kSaveState, store, {}};
  if (target.size() != 4) return kNone;
  if (method == "GET") return {Route::kGetState, store, target[3]};
  if (method == "DELETE") return {Route::kDeleteState, store, target[3]};
  if (is_post_or_put(method) && target[3] == "bulk") return {Route::kBulkGetState, store, {}};
  if (is_post_or_put(method) && target[3] == "transaction") return {Route::kStateTransaction, store, {}};
  return kNone;
}

// /{version}/publish/{pubsub}/{topic…} and /{version}/publish/bulk/{pubsub}/{topic…}
Match match_publish(Version version, std::string_view method, const Target& target) {
  if (!is_post_or_put(method) || (version != Version::kV1 && version != Version::kAlpha1)) return kNone;
  if (target[2] == "bulk" && target.size() >= 5) return {Route::kBulkPublish, target[3], target.rest(4)};
  if (version == Version::kV1 && target.size() >= 4) return {Route::kPublish, target[2], target.rest(3)};
  return kNone;
}

Match match_metadata(std::string_view method, const Target& target) {
  if (target.size() == 2 && method == "GET") return {Route::kGetMetadata, {}, {}};
  if (target.size() == 3 && method == "PUT") return {Route::kPutMetadata, {}, target[2]};
  return kNone;
}

Match match_health(std::string_view method, const Target& target) {
  if (method != "GET") return kNone;
  if (target.size() == 2) return {Route::kHealthz, {}, {}};
  if (target.size() == 3 && target[2] == "outbound") return {Route::kOutboundHealthz, {}, {}};
  return kNone;
}

// /{version}/configuration/{store}, …/subscribe and …/{id}/unsubscribe
Match match_configuration(std::string_view method, const Target& target) {
  if (method != "GET") return kNone;
  if (target.size() == 3) return {Route::kGetConfiguration, target[2], {}};
  if (target.size() == 4 && target[3] == "subscribe") return {Route::kSubscribeConfiguration, target[2], {}};
  if (target.size() == 5 && target[4] == "unsubscribe") {
    return {Route::kUnsubscribeConfiguration, target[2], target[3]};
  }
  return kNone;
}

// /v1.0/secrets/{store}/{key} and …/bulk
Match match_secrets(std::string_view method, const Target& target) {
  if (target.size() != 4 || method != "GET") return kNone;
  if (target[3] == "bulk") return {Route::kBulkGetSecret, target[2], {}};
  return {Route::kGetSecret, target[2], target[3]};
}

Match match_actors(std::string_view method, const Target& target) {
  const std::string_view kind = target[4];
  if (target.size() == 5) return kind == "state" && is_post_or_put(method) ? Match{Route::kActors, {}, {}} : kNone;
  if (target.size() < 6) return kNone;
  const bool get = method == "GET";
  const bool remove = method == "DELETE";
  bool known = false;
  if (target.size() == 6 && kind == "method") known = get || remove || is_post_or_put(method);
  if (target.size() == 6 && kind == "state") known = get;
  if (target.size() == 6 && kind == "reminders") known = get || remove || is_post_or_put(method);
  if (target.size() == 6 && kind == "timers") known = remove || is_post_or_put(method);
  return known ? Match{Route::kActors, {}, {}} : kNone;
}

Match match_workflows(std::string_view method, const Target& target) {
  if (method == "GET") return target.size() == 4 ? Match{Route::kWorkflows, {}, {}} : kNone;
  if (method != "POST") return kNone;
  const std::string_view action = target[4];
  const bool known = (target.size() == 5 && (action == "start" || action == "pause" || action == "resume" ||
                                             action == "terminate" || action == "purge")) ||
                     (target.size() == 6 && action == "raiseEvent");
  return known ? Match{Route::kWorkflows, {}, {}} : kNone;
}

Match match_jobs(std::string_view method, const Target& target) {
  if (target.size() != 3) return kNone;
  if (method == "POST") return {Route::kScheduleJob, target[2], {}};
  if (method == "GET") return {Route::kGetJob, target[2], {}};
  if (method == "DELETE") return {Route::kDeleteJob, target[2], {}};
  return kNone;
}

// The blocks that exist at alpha or beta versions only.
Match match_alpha(Version version, std::string_view method, const Target& target) {
  const std::string_view block = target[1];
  if (block == "conversation" && target.size() == 4 && target[3] == "converse" && method == "POST") {
    return {Route::kConversation, target[2], {}};
  }
  if (version != Version::kAlpha1) return kNone;
  if ((block == "lock" || block == "unlock") && target.size() == 3 && method == "POST") {
    return {Route::kLock, target[2], {}};
  }
  if (target.size() != 4) return kNone;
  if (block == "crypto" && method == "PUT" && (target[3] == "encrypt" || target[3] == "decrypt")) {
    return {Route::kCrypto, target[2], {}};
  }
  constexpr std::array<std::string_view, 7> kOperations = {"getkey",    "encrypt", "decrypt", "wrapkey",
                                                           "unwrapkey", "sign",    "verify"};
  const bool known = std::ranges::find(kOperations, target[3]) != kOperations.end();
  return block == "subtlecrypto" && method == "POST" && known ? Match{Route::kSubtleCrypto, target[2], {}} : kNone;
}

}  // namespace

Match match_route(std::string_view method, const Target& target) {
  const Version version = version_of(target[0]);
  if (version == Version::kOther || target.size() < 2) return kNone;
  const std::string_view block = target[1];
  const bool v1 = version == Version::kV1;
  if (block == "state") return match_state(version, method, target);
  if (block == "publish") return match_publish(version, method, target);
  if (block == "workflows" && version != Version::kAlpha2) return match_workflows(method, target);
  if ((v1 || version == Version::kAlpha1) && block == "configuration") return match_configuration(method, target);
  if ((v1 || version == Version::kAlpha1) && block == "jobs") return match_jobs(method, target);
  if (!v1) return match_alpha(version, method, target);
  if (block == "healthz") return match_health(method, target);
  if (block == "metadata") return match_metadata(method, target);
  if (block == "shutdown") return target.size() == 2 && method == "POST" ? Match{Route::kShutdown, {}, {}} : kNone;
  if (block == "secrets") return match_secrets(method, target);
  if (block == "bindings") {
    return target.size() == 3 && is_post_or_put(method) ? Match{Route::kBinding, target[2], {}} : kNone;
  }
  if (block == "actors") return match_actors(method, target);
  return kNone;
}

bool is_open_route(Route route) { return route == Route::kHealthz || route == Route::kOutboundHealthz; }

}  // namespace tandem::api::http
