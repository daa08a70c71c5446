// Which operation a method and path name. A table of paths would be Dapr's list of endpoints; the matcher is written
// out so that it allocates nothing and looks at each segment once.
//
// As in Dapr, whatever no route answers (unknown path or other method) is a service invocation, with the app id in a
// header.
#pragma once

#include <string_view>

#include "api/http/target.h"

namespace tandem::api::http {

enum class Route {
  kGetState,
  kSaveState,
  kDeleteState,
  kBulkGetState,
  kStateTransaction,
  kQueryState,
  kPublish,
  kBulkPublish,
  kGetSecret,
  kBulkGetSecret,
  kGetConfiguration,
  kSubscribeConfiguration,
  kUnsubscribeConfiguration,
  kHealthz,
  kOutboundHealthz,
  kGetMetadata,
  kPutMetadata,
  kShutdown,
  kBinding,
  // A block of Dapr's that is not configured here: unconfigured_routes.h.
  kLock,
  kCrypto,
  kSubtleCrypto,
  kActors,
  kWorkflows,
  kConversation,
  kScheduleJob,
  kGetJob,
  kDeleteJob,
  kInvoke,
};

struct Match {
  Route route = Route::kInvoke;
  // What the path captures, still encoded: a store, pub/sub, binding … and a key or topic.
  std::string_view name;
  std::string_view item;
};

Match match_route(std::string_view method, const Target& target);

// Dapr leaves its health checks open when an API token is set.
bool is_open_route(Route route);

}  // namespace tandem::api::http
