#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "components/bindings/cron/cron_binding.h"
#include "components/bindings/http/http_binding.h"
#include "components/bindings/kafka/kafka_binding.h"
#include "components/bindings/localstorage/local_storage.h"
#include "components/bindings/postgresql/postgresql_binding.h"
#include "components/bindings/redis/redis_binding.h"
#include "components/built_in.h"
#include "components/component_schemas.h"
#include "components/kafka_making.h"
#include "components/redis_making.h"

namespace tandem::components {
namespace {

using Input = std::unique_ptr<bindings::InputBinding>;
using Output = std::unique_ptr<bindings::OutputBinding>;

Result<Input> make_cron_binding(const Making& making) {
  Result<std::unique_ptr<CronBinding>> binding =
      CronBinding::make(making.component.name, making.metadata.get_string("schedule"), making.surroundings.timers,
                        making.surroundings.log);
  if (!binding) return fail(std::move(binding.error()));
  return std::move(*binding);
}

Result<Output> make_http_binding(const Making& making) {
  if (making.surroundings.workers == nullptr) return fail(Code::kFailedPrecondition, "there are no workers");
  Result<HttpBindingOptions> options = read_http_binding_options(making.metadata);
  if (!options) return fail(std::move(options.error()));
  return std::make_unique<HttpBinding>(std::move(*options), *making.surroundings.workers);
}

Result<Input> make_kafka_input(const Making& making) {
  std::vector<std::string> topics = split_topics(making.metadata.get_string("topics"));
  if (topics.empty()) return Input();  // it is none
  auto client = make_kafka_client(making, "tandem.bindings.kafka", kafka::RetryDefault::kOff);
  if (!client) return fail(std::move(client.error()));
  return std::make_unique<KafkaInputBinding>(std::move(*client), std::move(topics));
}

Result<Output> make_kafka_output(const Making& making) {
  auto client = make_kafka_client(making, "tandem.bindings.kafka", kafka::RetryDefault::kOff);
  if (!client) return fail(std::move(client.error()));
  return std::make_unique<KafkaOutputBinding>(std::move(*client), making.metadata.get_string("publishTopic"));
}

Result<Output> make_local_storage(const Making& making) {
  Result<std::unique_ptr<LocalStorage>> storage = LocalStorage::open(making.metadata.get_string("rootPath"));
  if (!storage) return fail(std::move(storage.error()));
  return std::move(*storage);
}

Result<Output> make_postgresql_binding(const Making& making) {
  Result<std::unique_ptr<PostgresqlBinding>> binding = PostgresqlBinding::open(
      making.metadata, init_deadline(making),
      [log = making.surroundings.log, name = making.component.name](const std::string& problem) {
        if (log != nullptr) log->warn("tandem.bindings.postgresql", problem, {{"component", name}});
      });
  if (!binding) return fail(std::move(binding.error()));
  return std::move(*binding);
}

Result<Output> make_redis_binding(const Making& making) {
  if (making.surroundings.workers == nullptr) return fail(Code::kFailedPrecondition, "there are no workers");
  Result<RedisOptions> redis = read_redis_options(making.metadata);
  if (!redis) return fail(std::move(redis.error()));
  watch_redis(making, "tandem.bindings.redis", idle_redis_keys(making.metadata), *redis);
  Result<std::unique_ptr<RedisBinding>> binding =
      RedisBinding::open(std::move(*redis), *making.surroundings.workers, init_deadline(making));
  if (!binding) return fail(std::move(binding.error()));
  return std::move(*binding);
}

// The list: a line a component.
const BuiltInBinding kBindings[] = {
    {kCronBindingSchema, "bindings.cron", make_cron_binding, nullptr},
    {kHttpBindingSchema, "bindings.http", nullptr, make_http_binding},
    {kKafkaBindingSchema, "bindings.kafka", make_kafka_input, make_kafka_output},
    {kLocalStorageBindingSchema, "bindings.localstorage", nullptr, make_local_storage},
    {kPostgresqlBindingSchema, "bindings.postgresql", nullptr, make_postgresql_binding},
    {kRedisBindingSchema, "bindings.redis", nullptr, make_redis_binding},
};

}  // namespace

std::span<const BuiltInBinding> built_in_bindings() { return kBindings; }

}  // namespace tandem::components
