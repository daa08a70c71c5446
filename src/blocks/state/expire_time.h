// How Dapr says when a value expires. Plain functions, any thread.
#pragma once

#include <cstdint>
#include <string>

#include "blocks/state/state_store.h"

namespace tandem::state {

// RFC 3339, UTC, whole seconds: "2026-01-31T09:00:00Z".
std::string expire_time(std::int64_t unix_ms);

// The metadata of a value that was read: `ttlExpireTime` where it expires.
Metadata response_metadata(const GetResponse& response);

}  // namespace tandem::state
