#include "components/state/postgresql/postgresql_metadata.h"

#include <chrono>

#include "components/postgresql/connection_metadata.h"

namespace tandem::components {

Result<PostgresqlStateOptions> read_postgresql_state_options(const config::MetadataReader& metadata,
                                                             std::string_view version) {
  Result<postgresql::ConnectionOptions> connection = postgresql::read_connection_options(metadata);
  if (!connection) return fail(std::move(connection.error()));
  PostgresqlStateOptions options{.version = version == "v2" ? PostgresqlVersion::kV2 : PostgresqlVersion::kV1,
                                 .connection = std::move(*connection)};
  options.table_name = metadata.get_string("tableName", options.table_name);
  options.table_prefix = metadata.get_string("tablePrefix");
  options.metadata_table_name = metadata.get_string("metadataTableName", options.metadata_table_name);
  options.cleanup_interval = std::chrono::duration_cast<std::chrono::milliseconds>(
      metadata.get_duration("cleanupInterval", options.cleanup_interval));
  return options;
}

}  // namespace tandem::components
