// RedisStreamOptions: what the metadata of a pubsub.redis says, with Dapr's names, defaults and rules
// (https://docs.dapr.io/reference/components-reference/supported-pubsub/setup-redis-pubsub/; where that page and daprd
// differ, daprd is right).
//
// Plain values; any thread. Reading fails with kInvalidArgument and the key at fault, or kUnimplemented for what Tandem
// does not do.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/result.h"
#include "components/redis/redis_options.h"
#include "config/component_metadata.h"

namespace tandem::components {

struct RedisStreamOptions {
  RedisOptions redis;
  // The consumer group, and the consumer in it; empty: the id of the app that subscribes.
  std::string consumer_id;
  // How often messages are looked for that nobody has acknowledged, and how long after their delivery they count as
  // such. Zero in either: never.
  std::chrono::milliseconds redeliver_interval{15'000};
  std::chrono::milliseconds processing_timeout{60'000};
  std::size_t queue_depth = 100;  // messages of a topic that were read and wait for a handler
  std::size_t concurrency = 10;   // deliveries under way at once, of all topics
  // How a stream is kept short; zero: not at all. The length wins when both are there.
  std::int64_t max_length = 0;
  std::chrono::milliseconds stream_ttl{0};

  bool redelivers() const { return redeliver_interval.count() > 0 && processing_timeout.count() > 0; }
};

Result<RedisStreamOptions> read_redis_stream_options(const config::MetadataReader& metadata);

}  // namespace tandem::components
