// The subscriptions of one pubsub.redis, all on one worker: what they share, their beginning and their end.
//
// Owned by RedisBroker. add(), remove() and close() are for any thread but the worker's; the worker outlives it,
// started or not. Nothing fails: a subscription that cannot read tries again.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "blocks/pubsub/pubsub_broker.h"
#include "components/pubsub/redis/redis_stream_options.h"
#include "components/pubsub/redis/stream_commands.h"
#include "components/redis/redis_client.h"
#include "net/worker.h"

namespace tandem::components {

class StreamSubscription;

class StreamConsumers final {
 public:
  // `warn` hears of problems of a topic, on the worker; it may be empty.
  StreamConsumers(net::Worker& worker, RedisStreamOptions options, std::shared_ptr<RedisClient> client,
                  std::function<void(const std::string& problem, const std::string& topic)> warn);
  StreamConsumers(const StreamConsumers&) = delete;
  StreamConsumers& operator=(const StreamConsumers&) = delete;

  std::shared_ptr<StreamSubscription> add(StreamGroup group, pubsub::MessageHandler handler);
  // No more deliveries begin once it has run on the worker; those under way end in their time.
  void remove(const std::shared_ptr<StreamSubscription>& subscription);
  // Ends all of them: waits until those under way are done and acknowledged, at most until `deadline`.
  void close(SteadyTime deadline);

 private:
  struct Core;
  const std::shared_ptr<Core> core_;
};

}  // namespace tandem::components
