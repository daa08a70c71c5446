// configuration.redis: items that are strings in Redis, read and watched as daprd does it
// (https://docs.dapr.io/reference/components-reference/supported-configuration-stores/redis-configuration-store/).
//
// A string is `value` or `value||version`. Changes are heard by keyspace notifications, which are switched on in the
// server where its settings lack them (what they have is kept). All subscriptions share one connection, on one worker;
// when it breaks, the keys that are watched by name are told once more, as nobody knows what has happened to them
// meanwhile. Any thread may call; completions of get() run on the caller's worker, others on any. Failures are
// RedisClient's, and kInternal for what Redis refuses.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "blocks/configuration/configuration_store.h"
#include "components/redis/redis_client.h"
#include "components/redis/redis_options.h"
#include "net/worker.h"

namespace tandem::components {

// A string of Redis as an item; what follows a second "||" is not looked at, as in Dapr.
configuration::Item parse_redis_item(std::string_view text);

// The value of Redis's setting notify-keyspace-events that has, beside what `present` has, all that is needed here:
// keyspace events of strings, and of every key that goes. Empty: `present` is enough.
std::string notification_flags(std::string_view present);

class RedisConfigurationStore final : public configuration::Store {
 public:
  static constexpr std::size_t kMaxItems = 100'000;  // of one answer

  // Connects and looks whether the server answers. Blocks, at most until `deadline`: not on a worker. kUnimplemented
  // for a cluster: its nodes do not tell each other of changes.
  static Result<std::unique_ptr<RedisConfigurationStore>> open(RedisOptions options, net::Workers& workers,
                                                               SteadyTime deadline);
  ~RedisConfigurationStore() override;

  // Keys that are no strings are not among the items, as those that are not there.
  void get(const CallContext& context, std::vector<std::string> keys, Metadata metadata,
           Completion<configuration::Items> done) override;
  void subscribe(const CallContext& context, configuration::SubscribeRequest request,
                 std::shared_ptr<configuration::Watcher> watcher, Completion<void> done) override;
  void unsubscribe(const CallContext& context, std::string id, Completion<void> done) override;
  void close(SteadyTime deadline) override;

 private:
  class Watch;

  RedisConfigurationStore(std::shared_ptr<RedisClient> client, RedisOptions options, net::Worker& worker);

  const std::shared_ptr<RedisClient> client_;
  net::Worker& worker_;
  std::shared_ptr<Watch> watch_;  // lives on the worker
};

}  // namespace tandem::components
