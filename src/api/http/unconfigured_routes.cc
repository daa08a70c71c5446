#include "api/http/unconfigured_routes.h"

#include "blocks/sidecar/unconfigured.h"

namespace tandem::api::http {
namespace {

using sidecar::Facility;

Facility facility_of(Route route) {
  switch (route) {
    case Route::kSecrets: return Facility::kSecrets;
    case Route::kConfiguration: return Facility::kConfiguration;
    case Route::kLock: return Facility::kLock;
    case Route::kCrypto: return Facility::kCrypto;
    case Route::kBinding: return Facility::kBinding;
    case Route::kActors: return Facility::kActors;
    case Route::kWorkflows: return Facility::kWorkflows;
    case Route::kConversation: return Facility::kConversation;
    case Route::kScheduleJob: return Facility::kScheduleJob;
    case Route::kGetJob: return Facility::kGetJob;
    case Route::kDeleteJob: return Facility::kDeleteJob;
    default: return Facility::kSubtleCrypto;
  }
}

}  // namespace

Error unconfigured_error(Route route, std::string_view name) {
  return sidecar::unconfigured_error(facility_of(route), name);
}

}  // namespace tandem::api::http
