// What Dapr has and is not configured here: each answers as daprd does when no component of its kind is loaded.
//
// Any thread, never throws.
#pragma once

#include <string_view>

#include "base/error.h"

namespace tandem::sidecar {

enum class Facility {
  kLock,
  kCrypto,
  kSubtleCrypto,
  kActors,
  kWorkflows,
  kConversation,
  kScheduleJob,
  kGetJob,
  kDeleteJob,
  kListJobs,
};

// `name`: the component, binding … that the call names.
Error unconfigured_error(Facility facility, std::string_view name);

}  // namespace tandem::sidecar
