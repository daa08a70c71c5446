#include "blocks/sidecar/unconfigured.h"

#include <fmt/format.h>

namespace tandem::sidecar {
namespace {

// Dapr has words of its own for most blocks, and none for a scheduler that it does not have.
constexpr std::string_view kNoScheduler = "no scheduler is connected";

}  // namespace

Error unconfigured_error(Facility facility, std::string_view name) {
  switch (facility) {
    case Facility::kSecrets:
      return {Code::kFailedPrecondition, "ERR_SECRET_STORES_NOT_CONFIGURED", "secret store is not configured"};
    case Facility::kConfiguration:
      return {Code::kFailedPrecondition, "ERR_CONFIGURATION_STORE_NOT_CONFIGURED",
              "configuration stores not configured"};
    case Facility::kLock:
      return {Code::kFailedPrecondition, "ERR_LOCK_STORE_NOT_CONFIGURED", "lock store is not configured"};
    case Facility::kCrypto:
      return {Code::kInternal, "ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED", "crypto providers not configured"};
    case Facility::kBinding:
      return {Code::kInternal, "ERR_INVOKE_OUTPUT_BINDING",
              fmt::format("error invoking output binding {}: couldn't find output binding {}", name, name)};
    case Facility::kActors:
    case Facility::kWorkflows:
      return {Code::kInternal, "ERR_ACTOR_RUNTIME_NOT_FOUND",
              "the state store is not configured to use the actor runtime. Have you set the - name: actorStateStore "
              "value: \"true\" in your state store component file?"};
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
    case Facility::kSubtleCrypto: break;
  }
  return {Code::kUnimplemented, "ERR_API_UNIMPLEMENTED", "this API is currently not implemented"};
}

}  // namespace tandem::sidecar
