// The metadata about the connection that every PostgreSQL component of Dapr's has. Any thread. Fails with
// kInvalidArgument for the ways to log in that need a cloud.
#pragma once

#include "base/result.h"
#include "components/postgresql/connection_settings.h"
#include "config/component_metadata.h"

namespace tandem::components::postgresql {

Result<ConnectionOptions> read_connection_options(const config::MetadataReader& metadata);

}  // namespace tandem::components::postgresql
