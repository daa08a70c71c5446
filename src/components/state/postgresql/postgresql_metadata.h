// The metadata of a state.postgresql component, as options of its store. Any thread. Fails with kInvalidArgument for
// ways to log in that need a cloud.
#pragma once

#include <string_view>

#include "base/result.h"
#include "components/state/postgresql/postgresql_state_store.h"
#include "config/component_metadata.h"

namespace tandem::components {

// `version` is the component's: "v1" (also when it is empty) or "v2".
Result<PostgresqlStateOptions> read_postgresql_state_options(const config::MetadataReader& metadata,
                                                             std::string_view version);

}  // namespace tandem::components
