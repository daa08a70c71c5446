#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "components/built_in.h"
#include "components/component_schemas.h"
#include "components/kafka_making.h"
#include "components/pubsub/in_memory/in_memory_broker.h"
#include "components/pubsub/kafka/kafka_broker.h"
#include "components/pubsub/redis/redis_broker.h"
#include "components/redis_making.h"

namespace tandem::components {
namespace {

Result<std::unique_ptr<pubsub::Broker>> make_in_memory_broker(const Making& making) {
  const std::int64_t handlers = making.metadata.get_int("maxConcurrentHandlers", 1);
  if (handlers < 1 || handlers > 10'000) {
    return fail(Code::kInvalidArgument, "maxConcurrentHandlers: must be between 1 and 10000");
  }
  std::vector<TimedExecutor*> executors = {&making.surroundings.timers};
  if (net::Workers* workers = making.surroundings.workers; workers != nullptr) {
    executors.clear();
    for (std::size_t i = 0; i < workers->size(); ++i) executors.push_back(&(*workers)[i]);
  }
  return std::make_unique<InMemoryBroker>(
      std::move(executors), InMemoryBroker::Options{.max_concurrent_handlers = static_cast<std::size_t>(handlers)},
      making.surroundings.log);
}

Result<std::unique_ptr<pubsub::Broker>> make_kafka_broker(const Making& making) {
  auto client = make_kafka_client(making, "tandem.pubsub.kafka", kafka::RetryDefault::kOn);
  if (!client) return fail(std::move(client.error()));
  return std::make_unique<KafkaBroker>(std::move(*client));
}

constexpr std::string_view kRedisPubsubScope = "tandem.pubsub.redis";

Result<std::unique_ptr<pubsub::Broker>> make_redis_broker(const Making& making) {
  if (making.surroundings.workers == nullptr) return fail(Code::kFailedPrecondition, "there are no workers");
  Result<RedisStreamOptions> options = read_redis_stream_options(making.metadata);
  if (!options) return fail(std::move(options.error()));
  watch_redis(making, kRedisPubsubScope, idle_redis_keys(making.metadata), options->redis);
  RedisBroker::Warn warn;
  const std::string& name = making.component.name;
  if (const Logger* log = making.surroundings.log) {
    if (options->max_length > 0 && options->stream_ttl.count() > 0) {
      log->warn(kRedisPubsubScope, "streamTTL has no effect next to maxLenApprox: a stream is kept short in one way",
                {{"component", name}});
    }
    warn = [log, name](const std::string& problem, const std::string& topic) {
      log->warn(kRedisPubsubScope, problem, {{"component", name}, {"topic", topic}});
    };
  }
  Result<std::unique_ptr<RedisBroker>> broker =
      RedisBroker::open(std::move(*options), *making.surroundings.workers, std::hash<std::string>()(name),
                        std::move(warn), init_deadline(making));
  if (!broker) return fail(std::move(broker.error()));
  return std::move(*broker);
}

// The list: a line a component.
const BuiltInBroker kBrokers[] = {
    {kInMemoryPubsubSchema, "pubsub.in-memory", make_in_memory_broker, "SUBSCRIBE_WILDCARDS"},
    {kKafkaPubsubSchema, "pubsub.kafka", make_kafka_broker},
    {kRedisPubsubSchema, "pubsub.redis", make_redis_broker},
};

}  // namespace

std::span<const BuiltInBroker> built_in_brokers() { return kBrokers; }

}  // namespace tandem::components
