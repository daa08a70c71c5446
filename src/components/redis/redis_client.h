// Redis for a component: commands from any thread, over connections that belong to the workers.
//
// A caller on a worker uses that worker's own connection, and its completion runs there: nothing crosses a thread. A
// caller elsewhere is served by a worker in turn. Owned by its component; the workers outlive it. open() blocks (the
// workers need not run yet). Failures are RedisConnection's; after close() kUnavailable.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/call_context.h"
#include "base/completion.h"
#include "base/result.h"
#include "components/redis/redis_connection.h"
#include "components/redis/redis_options.h"
#include "net/worker.h"

namespace tandem::components {

class RedisClient final {
 public:
  // What a command does: kRead may be sent again when a connection breaks, kWrite never.
  enum class Kind { kRead, kWrite };
  // kHeldUp is for commands that Redis answers late on purpose (WAIT): what is behind them waits as well.
  enum class Lane { kShared, kHeldUp };

  // Connects once, signs in and asks the server for the answers to `greetings`, so that a wrong address or password is
  // known now. Answers that are Redis's errors are answers.
  struct Opened {
    std::unique_ptr<RedisClient> client;
    std::vector<RedisValue> answers;
  };
  static Result<Opened> open(RedisOptions options, net::Workers& workers, std::vector<std::string> greetings,
                             SteadyTime deadline);
  ~RedisClient();
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  struct Request {
    std::string command;  // encode_command()
    Kind kind = Kind::kRead;
    Lane lane = Lane::kShared;
    std::string_view script;  // RedisCall::script
    std::string_view key;     // of a cluster's node; lives until send() returns
  };
  // The earlier of `deadline` and the options' time-out holds. Commands that one thread sends on one lane are carried
  // out in that order, as long as the connection holds.
  void send(Request request, SteadyTime deadline, Completion<RedisValue> done);

  // Lets commands under way finish, and ends the others at `deadline`. Not on a worker.
  void close(SteadyTime deadline);

 private:
  struct WorkerLanes;

  RedisClient(RedisOptions options, net::Workers& workers);
  WorkerLanes* lanes_here();

  const std::shared_ptr<const RedisOptions> options_;
  std::vector<std::shared_ptr<WorkerLanes>> lanes_;  // one a worker
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> closed_{false};
};

}  // namespace tandem::components
