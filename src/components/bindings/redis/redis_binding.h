// bindings.redis: strings in Redis by their keys, as any program may read them.
//
// The metadata `key` is used as it is, `ttlInSeconds` (or `ttl`) with create and increment. Calls from any thread; a
// completion comes on a worker. Fails with what Redis says, and when the server is away, as redis_client.h says.
// Source: https://docs.dapr.io/reference/components-reference/supported-bindings/redis/.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "blocks/bindings/output_binding.h"
#include "components/redis/redis_client.h"

namespace tandem::components {

class RedisBinding final : public bindings::OutputBinding {
 public:
  // Connects once, so that a wrong address or password is known now. The workers outlive it.
  static Result<std::unique_ptr<RedisBinding>> open(RedisOptions options, net::Workers& workers, SteadyTime deadline);

  std::span<const std::string_view> operations() const override;
  void invoke(const CallContext& context, bindings::InvokeRequest request,
              Completion<bindings::InvokeAnswer> done) override;
  void close(SteadyTime deadline) override { client_->close(deadline); }

 private:
  explicit RedisBinding(std::unique_ptr<RedisClient> client) : client_(std::move(client)) {}

  void get(SteadyTime deadline, const bindings::InvokeRequest& request, const std::string& key,
           Completion<bindings::InvokeAnswer> done);
  void increment(SteadyTime deadline, std::string key, std::string ttl, Completion<bindings::InvokeAnswer> done);
  // A command whose answer is nobody's business, but for an error.
  void write(SteadyTime deadline, std::string command, std::string_view key, Completion<bindings::InvokeAnswer> done);

  const std::unique_ptr<RedisClient> client_;
};

}  // namespace tandem::components
