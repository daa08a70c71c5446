#include "blocks/sidecar/unconfigured.h"

#include <fmt/format.h>

namespace tandem::sidecar {
namespace {

constexpr std::string_view kNoScheduler = "scheduler clients are disabled";

}  // namespace

Error unconfigured_error(Facility facility, std::string_view name) {
  switch (facility) {
    case Facility::kLock:
      return {Code::kFailedPrecondition, "ERR_LOCK_STORE_NOT_CONFIGURED", "lock store is not configured"};
    case Facility::kCrypto:
      return {Code::kInternal, "ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED", "crypto providers not configured"};
    case Facility::kActors:
    case Facility::kWorkflows:
      return {Code::kUnavailable, "ERR_ACTOR_NO_PLACEMENT", "placement service is not configured"};
    case Facility::kConversation:
      return {Code::kInvalidArgument, "ERR_CONVERSATION_NOT_FOUND",
              fmt::format("failed finding conversation component {}", name)};
    case Facility::kScheduleJob:
      return {Code::kInternal, "DAPR_SCHEDULER_SCHEDULE_JOB",
              fmt::format("failed to schedule job due to: {}", kNoScheduler)};
    case Facility::kGetJob:
      return {Code::kInternal, "DAPR_SCHEDULER_GET_JOB", fmt::format("failed to get job due to: {}", kNoScheduler)};
    case Facility::kDeleteJob:
      return {Code::kInternal, "DAPR_SCHEDULER_DELETE_JOB",
              fmt::format("failed to delete job due to: {}", kNoScheduler)};
    case Facility::kListJobs:
      return {Code::kInternal, "DAPR_SCHEDULER_LIST_JOBS", fmt::format("failed to list jobs due to: {}", kNoScheduler)};
    case Facility::kSubtleCrypto: break;
  }
  return {Code::kUnimplemented, "ERR_API_UNIMPLEMENTED", "this API is currently not implemented"};
}

}  // namespace tandem::sidecar
