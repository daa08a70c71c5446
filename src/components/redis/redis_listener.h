// Channels of Redis that are listened to (https://redis.io/docs/latest/develop/interact/pubsub/), over a connection of
// their own on one worker.
//
// It connects with the first channel, and again when the connection breaks, for as long as there are channels; then all
// of them are subscribed again. A silent connection is noticed by a PING. What is published while there is no
// connection is not heard: `restored` says that it may have been. Everything, and the hooks, on the worker's thread.
// Owned by a component, destroyed there too. Failures of listen() are RedisConnection's.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/completion.h"
#include "components/redis/redis_connection.h"
#include "components/redis/redis_options.h"
#include "net/worker.h"

namespace tandem::components {

class RedisListener final {
 public:
  enum class Kind { kChannel, kPattern };
  static constexpr std::size_t kMaxChannels = 10'000;

  struct Hooks {
    // What came: the channel that it was published to, and what it was heard by.
    std::function<void(Kind, std::string_view channel)> heard;
    // Runs before the channels are subscribed again; they are when it completes, whatever it says.
    std::function<void(Completion<void>)> before_return;
    std::function<void()> restored;
  };

  // `worker` and `options` outlive it.
  RedisListener(net::Worker& worker, const RedisOptions& options, Hooks hooks);
  RedisListener(const RedisListener&) = delete;
  RedisListener& operator=(const RedisListener&) = delete;

  // Completes when Redis has confirmed it. A channel whose confirmation fails is not listened to.
  void listen(Kind kind, std::string channel, Completion<void> done);
  void forget(Kind kind, const std::string& channel);
  // Nothing is heard any more.
  void close();

 private:
  using Channel = std::pair<Kind, std::string>;

  void subscribe(const Channel& channel, Completion<void> done);
  void return_to_channels();
  void return_later();
  void keep_alive();
  SteadyTime deadline() const;

  net::Worker& worker_;
  const RedisOptions& options_;
  const Hooks hooks_;
  std::unique_ptr<RedisConnection> connection_;
  std::set<Channel> channels_;
  bool returning_ = false;
  bool pinging_ = false;
  bool closed_ = false;
  // Completions and timers that outlive it look whether it is still there.
  const std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace tandem::components
