// One worker's way to Redis: a connection to a server, or one to each node of a cluster.
//
// A RedisClient owns one or two a worker, a reader that blocks the connection has one of its own. Everything runs on
// the worker's thread; `worker` and `options` outlive it. Failures are RedisConnection's.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "components/redis/redis_cluster.h"
#include "components/redis/redis_connection.h"
#include "components/redis/redis_options.h"
#include "net/worker.h"

namespace tandem::components {

class RedisLink final {
 public:
  RedisLink(net::Worker& worker, const RedisOptions& options) {
    if (options.cluster) {
      cluster_ = std::make_unique<RedisCluster>(worker, options);
    } else {
      server_ = std::make_unique<RedisConnection>(worker, options);
    }
  }

  // `slot` is that of the command's key (redis_slot()); without meaning where there is no cluster.
  void send(RedisCall call, std::uint16_t slot) {
    cluster_ != nullptr ? cluster_->send(std::move(call), slot) : server_->send(std::move(call));
  }
  // `idle` runs once, as soon as no call is unanswered: perhaps now.
  void when_idle(Task idle) {
    cluster_ != nullptr ? cluster_->when_idle(std::move(idle)) : server_->when_idle(std::move(idle));
  }
  // Every unanswered call fails with `error`, and the connections are closed.
  void abort(const Error& error) { cluster_ != nullptr ? cluster_->abort(error) : server_->abort(error); }

 private:
  std::unique_ptr<RedisCluster> cluster_;
  std::unique_ptr<RedisConnection> server_;
};

}  // namespace tandem::components
