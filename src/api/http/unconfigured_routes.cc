#include "api/http/unconfigured_routes.h"

#include <string_view>
#include <utility>

#include "api/http/body.h"
#include "api/http/error_map.h"
#include "base/json.h"
#include "blocks/sidecar/unconfigured.h"

namespace tandem::api::http {
namespace {

using sidecar::Facility;

Facility facility_of(Route route) {
  switch (route) {
    case Route::kLock: return Facility::kLock;
    case Route::kCrypto: return Facility::kCrypto;
    case Route::kActors: return Facility::kActors;
    case Route::kWorkflows: return Facility::kWorkflows;
    case Route::kConversation: return Facility::kConversation;
    case Route::kScheduleJob: return Facility::kScheduleJob;
    case Route::kGetJob: return Facility::kGetJob;
    case Route::kDeleteJob: return Facility::kDeleteJob;
    default: return Facility::kSubtleCrypto;
  }
}

// daprd reads these bodies before it looks for the component.
bool reads_body(Route route) {
  return route == Route::kLock || route == Route::kSubtleCrypto || route == Route::kScheduleJob ||
         route == Route::kConversation;
}

// The body is a JSON object, or empty.
Status check_object(const Result<std::string_view>& body) {
  if (!body) return std::unexpected(body.error());
  if (body->empty()) return {};
  const Result<std::string_view> json = parse_json(*body);
  if (!json) return std::unexpected(json.error());
  if (json_kind(*json) != JsonKind::kObject) return fail(Code::kInvalidArgument, "the body must be an object");
  return {};
}

}  // namespace

void answer_unconfigured(const ApiOptions& api, SharedExchange exchange, Route route, std::string name) {
  const ErrorSite site{.app_id = api.app_id, .app_namespace = api.invoke.name_space()};
  if (!reads_body(route)) {
    return reply_error(*exchange, sidecar::unconfigured_error(facility_of(route), name), site);
  }
  collect_body(std::move(exchange), api.max_body_bytes,
               [site, route, name = std::move(name)](SharedExchange owner, Result<std::string_view> body) {
                 const Status readable = check_object(body);
                 reply_error(*owner,
                             readable ? sidecar::unconfigured_error(facility_of(route), name)
                                      : malformed_body(readable.error().message),
                             site);
               });
}

}  // namespace tandem::api::http
