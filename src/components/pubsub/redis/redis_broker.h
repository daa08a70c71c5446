// pubsub.redis: messages in Redis's streams, as Dapr's own component keeps them (stream_commands.h), so that a daprd
// and a Tandem may publish to and read from one stream.
//
// A publish goes over the connection of the caller's worker and is done when the server has taken it; what became of
// one that was sent and not answered is not known, and it is not sent again. A subscription is a consumer group, of the
// component's consumerID or else of the app; its reading is stream_subscription.h's. A message that the app refuses for
// now stays with the group and comes again after the processing timeout, also after a crash of this process or of
// Redis.
//
// publish() on any thread, everything else on the server's. Failures of publish(): RedisConnection's, and kInternal
// with what Redis says.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "blocks/pubsub/pubsub_broker.h"
#include "components/pubsub/redis/redis_stream_options.h"
#include "components/pubsub/redis/stream_consumers.h"
#include "components/redis/redis_client.h"
#include "net/worker.h"

namespace tandem::components {

class RedisBroker final : public pubsub::Broker {
 public:
  using Warn = std::function<void(const std::string& problem, const std::string& topic)>;

  // Blocks until the server has answered once. `workers` outlive the broker and need not run yet. Subscriptions are the
  // work of the one at `home`, modulo their number. `warn` hears of problems of a topic, on that worker.
  static Result<std::unique_ptr<RedisBroker>> open(RedisStreamOptions options, net::Workers& workers, std::size_t home,
                                                   Warn warn, SteadyTime deadline);
  ~RedisBroker() override;

  void publish(const CallContext& context, pubsub::PublishRequest request, Completion<void> done) override;
  Result<std::unique_ptr<Subscription>> subscribe(std::string topic, std::string consumer_group, Metadata metadata,
                                                  pubsub::MessageHandler handler) override;
  // Ends the subscriptions, waits for deliveries and their acknowledgements and for what is being published. Not on a
  // worker.
  void close(SteadyTime deadline) override;

 private:
  class Handle;

  RedisBroker(RedisStreamOptions options, std::shared_ptr<RedisClient> client, net::Worker& home, Warn warn);

  const RedisStreamOptions options_;
  const std::shared_ptr<RedisClient> client_;
  const std::shared_ptr<StreamConsumers> consumers_;
};

}  // namespace tandem::components
