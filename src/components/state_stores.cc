#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "components/built_in.h"
#include "components/component_schemas.h"
#include "components/redis_making.h"
#include "components/state/in_memory/in_memory_state_store.h"
#include "components/state/postgresql/postgresql_metadata.h"
#include "components/state/postgresql/postgresql_state_store.h"
#include "components/state/redis/redis_state_store.h"
#include "components/state/sqlite/sqlite_state_store.h"

namespace tandem::components {
namespace {

using config::MetadataReader;

std::chrono::milliseconds milliseconds(const MetadataReader& metadata, std::string_view key) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(metadata.get_duration(key));
}

Result<std::unique_ptr<state::Store>> make_in_memory_store(const Making& making) {
  return std::make_unique<InMemoryStateStore>(making.surroundings.timers);
}

Result<std::unique_ptr<state::Store>> make_sqlite_store(const Making& making) {
  const MetadataReader& metadata = making.metadata;
  SqliteOptions options{.connection_string = metadata.get_string("connectionString"),
                        .timeout = milliseconds(metadata, "timeout"),
                        .busy_timeout = milliseconds(metadata, "busyTimeout"),
                        .disable_wal = metadata.get_bool("disableWAL"),
                        .table_name = metadata.get_string("tableName"),
                        .metadata_table_name = metadata.get_string("metadataTableName"),
                        .cleanup_interval = milliseconds(metadata, "cleanupInterval")};
  Result<std::unique_ptr<SqliteStateStore>> store = SqliteStateStore::open(
      options, [log = making.surroundings.log, name = making.component.name](const std::string& problem) {
        if (log != nullptr) log->warn("tandem.state.sqlite", problem, {{"component", name}});
      });
  if (!store) return fail(std::move(store.error()));
  return std::move(*store);
}

Result<std::unique_ptr<state::Store>> make_redis_store(const Making& making) {
  if (making.surroundings.workers == nullptr) return fail(Code::kFailedPrecondition, "there are no workers");
  Result<RedisOptions> redis = read_redis_options(making.metadata);
  if (!redis) return fail(std::move(redis.error()));
  constexpr std::string_view kScope = "tandem.state.redis";
  watch_redis(making, kScope, idle_redis_keys(making.metadata), *redis);
  for (const char* key : {"redeliverInterval", "processingTimeout"}) {
    if (making.surroundings.log == nullptr || !making.metadata.has(key)) continue;
    making.surroundings.log->info(kScope, std::string(key) + " has no effect: it is for pub/sub",
                                  {{"component", making.component.name}});
  }
  RedisStateOptions options{.redis = std::move(*redis)};
  if (!making.metadata.get_string("ttlInSeconds").empty()) {
    options.ttl_seconds = making.metadata.get_int("ttlInSeconds");
  }
  Result<std::unique_ptr<RedisStateStore>> store =
      RedisStateStore::open(std::move(options), *making.surroundings.workers, init_deadline(making));
  if (!store) return fail(std::move(store.error()));
  return std::move(*store);
}

Result<std::unique_ptr<state::Store>> make_postgresql_store(const Making& making) {
  const Result<PostgresqlStateOptions> options =
      read_postgresql_state_options(making.metadata, making.component.version);
  if (!options) return fail(options.error());
  Result<std::unique_ptr<PostgresqlStateStore>> store = PostgresqlStateStore::open(
      *options, [log = making.surroundings.log, name = making.component.name](const std::string& problem) {
        if (log != nullptr) log->warn("tandem.state.postgresql", problem, {{"component", name}});
      });
  if (!store) return fail(std::move(store.error()));
  return std::move(*store);
}

// The list: a line a component.
const BuiltInStore kStores[] = {
    {kInMemoryStateSchema, "state.in-memory", make_in_memory_store},
    {kPostgresqlStateV1Schema, "state.postgresql", make_postgresql_store},
    {kPostgresqlStateV2Schema, "state.postgresql", make_postgresql_store},
    {kRedisStateSchema, "state.redis", make_redis_store},
    {kSqliteStateSchema, "state.sqlite", make_sqlite_store},
};

}  // namespace

std::span<const BuiltInStore> built_in_stores() { return kStores; }

}  // namespace tandem::components
