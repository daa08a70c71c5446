// state.redis: values in Redis, as daprd keeps them there
// (https://docs.dapr.io/reference/components-reference/supported-state-stores/setup-redis/).
//
// Every write is one Lua script (redis_scripts.h), a transaction too: all of it happens or nothing. Where the server
// has RedisJSON, a request with the metadata `contentType: application/json` keeps its value as JSON, as in daprd. Any
// thread may call; a completion runs on the caller's worker. Failures are RedisClient's, and kInternal for what Redis
// refuses.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "blocks/state/state_store.h"
#include "components/redis/redis_client.h"
#include "components/redis/redis_script.h"

namespace tandem::components {

struct RedisStateOptions {
  RedisOptions redis;
  std::optional<std::int64_t> ttl_seconds;  // of writes that have none of their own; 0 and less: for ever
};

class RedisStateStore final : public state::Store {
 public:
  // Connects and looks at the server. Blocks, at most until `deadline`: not on a worker.
  static Result<std::unique_ptr<RedisStateStore>> open(RedisStateOptions options, net::Workers& workers,
                                                       SteadyTime deadline);
  ~RedisStateStore() override;

  state::Features features() const override;
  void ping(const CallContext& context, Completion<void> done) override;
  void get(const CallContext& context, const state::GetRequest& request, Completion<state::GetResponse> done) override;
  void set(const CallContext& context, state::SetRequest request, Completion<void> done) override;
  void remove(const CallContext& context, state::DeleteRequest request, Completion<void> done) override;
  void transact(const CallContext& context, std::vector<state::Operation> operations, Completion<void> done) override;
  void close(SteadyTime deadline) override;

  bool has_json() const { return has_json_; }

 private:
  struct Scripts {
    RedisScript set;
    RedisScript remove;
    RedisScript transact;
    RedisScript set_json;
    RedisScript remove_json;
  };

  RedisStateStore(std::unique_ptr<RedisClient> client, Scripts scripts, std::optional<std::int64_t> ttl_seconds,
                  int replicas, bool has_json);
  bool is_json(const Metadata& metadata) const;
  std::string ttl_word(const state::SetRequest& request) const;
  void get_plain(SteadyTime deadline, std::string key, Completion<state::GetResponse> done);
  // Runs a write; `refused` makes the error of conditions that do not hold.
  template <class Refused>
  void run(RedisClient::Request request, SteadyTime deadline, Completion<void> done, Refused refused);
  void wait_for_replicas(std::string_view key, SteadyTime deadline, Completion<void> done);

  const std::unique_ptr<RedisClient> client_;
  const Scripts scripts_;
  const std::optional<std::int64_t> ttl_seconds_;
  const int replicas_;  // that strong writes wait for
  const bool has_json_;
};

}  // namespace tandem::components
