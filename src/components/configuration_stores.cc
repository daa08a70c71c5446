#include <memory>
#include <utility>

#include "components/built_in.h"
#include "components/component_schemas.h"
#include "components/configuration/redis/redis_configuration_store.h"
#include "components/redis_making.h"

namespace tandem::components {
namespace {

Result<std::unique_ptr<configuration::Store>> make_redis_configuration(const Making& making) {
  if (making.surroundings.workers == nullptr) return fail(Code::kFailedPrecondition, "there are no workers");
  Result<RedisOptions> redis = read_redis_options(making.metadata);
  if (!redis) return fail(std::move(redis.error()));
  watch_redis(making, "tandem.configuration.redis", idle_redis_keys(making.metadata), *redis);
  Result<std::unique_ptr<RedisConfigurationStore>> store =
      RedisConfigurationStore::open(std::move(*redis), *making.surroundings.workers, init_deadline(making));
  if (!store) return fail(std::move(store.error()));
  return std::move(*store);
}

// The list: a line a component.
const BuiltInConfigurationStore kConfigurationStores[] = {
    {kRedisConfigurationSchema, "configuration.redis", make_redis_configuration},
};

}  // namespace

std::span<const BuiltInConfigurationStore> built_in_configuration_stores() { return kConfigurationStores; }

}  // namespace tandem::components
