// One worker's connections to a Redis cluster
// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/): a command goes to the node that has its
// key's slot, and follows MOVED and ASK.
//
// A RedisClient owns one a worker; everything runs on the worker's thread. Which node has what is asked (CLUSTER SLOTS)
// when the first command comes, and again when a node says otherwise or cannot be reached. Failures are
// RedisConnection's; a command whose keys belong to different nodes is an answer of Redis's (CROSSSLOT).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "components/redis/redis_connection.h"

namespace tandem::components {

inline constexpr std::size_t kRedisSlots = 16'384;

// The slot of a key: of the part in its first {…}, where there is one.
std::uint16_t redis_slot(std::string_view key);

class RedisCluster final {
 public:
  // `worker` and `options` outlive it; the options' addresses are nodes to begin with.
  RedisCluster(net::Worker& worker, const RedisOptions& options);
  RedisCluster(const RedisCluster&) = delete;
  RedisCluster& operator=(const RedisCluster&) = delete;

  void send(RedisCall call, std::uint16_t slot);
  void when_idle(Task idle);
  void abort(const Error& error);

 private:
  static constexpr int kMaxHops = 5;
  static constexpr std::size_t kMaxNodes = 1'000;

  struct Command;
  RedisConnection& node(const RedisAddress& address);
  RedisConnection& owner(std::uint16_t slot);
  void route(std::shared_ptr<Command> command, RedisConnection& to);
  void answered(const std::shared_ptr<Command>& command, Result<RedisValue> answer);
  void learn_slots();
  void slots_learned(const RedisAddress& from, const Result<RedisValue>& answer);
  void tell_idle();

  net::Worker& worker_;
  const RedisOptions& options_;
  std::map<std::string, std::unique_ptr<RedisConnection>> nodes_;  // by host:port
  std::array<RedisConnection*, kRedisSlots> owners_{};             // null: not known
  std::deque<RedisAddress> asked_next_;                            // nodes that may know the slots
  bool learning_ = false;
  bool closed_ = false;
  std::size_t under_way_ = 0;
  Task idle_;
};

}  // namespace tandem::components
