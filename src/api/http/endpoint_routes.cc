#include "api/http/endpoint_routes.h"

#include <string>
#include <string_view>

namespace tandem::api::http {
namespace {

// What follows the block's name, which is the second segment of every path but an invocation's. Of the blocks that are
// not configured here one route stands for all.
std::string_view rest_of(Route route) {
  switch (route) {
    case Route::kGetState:
    case Route::kDeleteState: return "/{storeName}/{key}";
    case Route::kSaveState: return "/{storeName}";
    case Route::kBulkGetState: return "/{storeName}/bulk";
    case Route::kStateTransaction: return "/{storeName}/transaction";
    case Route::kQueryState: return "/{storeName}/query";
    case Route::kPublish: return "/{pubsubname}/*";
    case Route::kBulkPublish: return "/bulk/{pubsubname}/*";
    case Route::kHealthz: return "";
    case Route::kOutboundHealthz: return "/outbound";
    case Route::kGetMetadata: return "";
    case Route::kPutMetadata: return "/{key}";
    case Route::kShutdown: return "";
    case Route::kGetSecret: return "/{secretStoreName}/{key}";
    case Route::kBulkGetSecret: return "/{secretStoreName}/bulk";
    case Route::kGetConfiguration: return "/{storeName}";
    case Route::kSubscribeConfiguration: return "/{storeName}/subscribe";
    case Route::kUnsubscribeConfiguration: return "/{storeName}/{configurationSubscribeID}/unsubscribe";
    case Route::kLock: return "/{storeName}";
    case Route::kCrypto:
    case Route::kSubtleCrypto:
    case Route::kBinding:
    case Route::kConversation:
    case Route::kScheduleJob:
    case Route::kGetJob:
    case Route::kDeleteJob: return "/{name}";
    case Route::kActors: return "/{actorType}/{actorId}";
    case Route::kWorkflows: return "/{workflowComponent}/{instanceID}";
    case Route::kInvoke: return "/*";
  }
  return "";
}

}  // namespace

bool is_allowed(const config::ApiAccess& access, Route route, const Target& target) {
  // Dapr's rules leave out the health checks.
  if (!access.restricts() || is_open_route(route)) return true;
  if (route == Route::kInvoke) return access.allows("v1.0", "invoke/*");
  return access.allows(target[0], std::string(target[1]).append(rest_of(route)));
}

}  // namespace tandem::api::http
