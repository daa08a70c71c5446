// One connection to Redis on one worker: commands are pipelined over it, answers come back in order.
//
// A RedisClient owns one or more a worker; everything runs on the worker's thread. It connects when the first command
// comes, signs in (AUTH, SELECT), and again when the connection has broken and a command waits. A command that was not
// sent yet waits for the next connection, up to its deadline and the retries of the options; one that was sent and has
// no answer fails with kUnavailable, unless it may be repeated. An answer that is an error of Redis is a value
// (RedisValue::is_error). Failures: kUnavailable, kDeadlineExceeded, kResourceExhausted (too many commands wait),
// kUnauthenticated (the credentials are refused), kInternal (not Redis's protocol).
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/call_context.h"
#include "base/completion.h"
#include "components/redis/redis_codec.h"
#include "components/redis/redis_options.h"
#include "net/byte_stream.h"
#include "net/timeout_wheel.h"
#include "net/worker.h"

namespace tandem::components {

struct RedisCall {
  // Whether it may be sent a second time when nobody knows what became of the first.
  enum class Repeat { kNever, kAllowed };

  std::string command;  // encode_command()
  SteadyTime deadline = SteadyTime::max();
  Repeat repeat = Repeat::kNever;
  // The text of the script that an EVALSHA names, which is loaded when the server has it no more. A constant.
  std::string_view script;
  Completion<RedisValue> done;
};

class RedisConnection final : public net::ByteStream::Listener {
 public:
  static constexpr std::size_t kMaxCalls = 16'384;  // waiting and sent

  // `worker` and `options` outlive it. Without an address it is the options', or where their sentinels say.
  RedisConnection(net::Worker& worker, const RedisOptions& options, std::optional<RedisAddress> address = {});
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;
  // Calls that are not answered are dropped without a word.
  ~RedisConnection();

  // For a connection that subscribes to channels (SUBSCRIBE or PSUBSCRIBE, one channel a command, so that each has one
  // answer): `pushed` gets what the server says unasked, and `lost` runs when a connection that was there has gone,
  // after the call that has noticed it.
  void listen(std::function<void(const RedisValue&)> pushed, std::function<void()> lost);

  void send(RedisCall call);
  // Where it is connected to, or was or will be.
  const RedisAddress& address() const;
  // `idle` runs once, as soon as no call is unanswered: perhaps now.
  void when_idle(Task idle);
  // Every unanswered call fails with `error`, and the connection is closed.
  void abort(const Error& error);

 private:
  enum class Phase { kIdle, kAskingSentinel, kSigningIn, kReady, kBackingOff };
  struct Pending;
  using Queue = std::deque<std::unique_ptr<Pending>>;
  // A step of signing in: what is said, and what becomes of the answer.
  using Check = Status (RedisConnection::*)(const RedisValue&);

  void on_open() override;
  void on_bytes(std::string_view bytes) override;
  void on_closed(const Error& error) override;

  void connect();
  void connect_to(const RedisAddress& address, Phase phase);
  void ask_sentinel();
  void authenticate(const std::string& username, const std::string& password);
  void sign_in();
  void say(std::string command, Check check);
  Status check_sign_in(const RedisValue& value);
  Status check_loaded(const RedisValue& value);
  Status check_master(const RedisValue& value);
  Status check_sentinel(const RedisValue& value);
  void ready();

  void take(RedisValue value);
  void load_script(std::unique_ptr<Pending> pending);
  void transmit(std::unique_ptr<Pending> pending);
  void expired(Pending& pending);
  // The connection is over: what was sent is settled, what waits goes on or fails.
  void lost(const Error& error);
  void settle_sent(const Error& error);
  void settle_waiting(const Error& error);
  void back_off();
  std::chrono::milliseconds next_delay() const;
  std::chrono::milliseconds silence_limit() const;
  void answer(std::unique_ptr<Pending> pending, Result<RedisValue> result);
  void tell_idle();
  void warn(const std::string& text) const;
  std::string server_name() const;
  bool is_push(const RedisValue& value) const;

  net::Worker& worker_;
  const RedisOptions& options_;
  const std::optional<RedisAddress> address_;
  Phase phase_ = Phase::kIdle;
  RedisAddress server_;
  std::size_t next_address_ = 0;  // of the options'
  std::unique_ptr<net::ByteStream> stream_;
  std::unique_ptr<RedisReader> reader_;
  std::deque<Check> steps_;     // answers that signing in waits for
  Queue waiting_;               // not sent
  Queue sent_;                  // in the order of their answers
  int failures_ = 0;            // connections in a row that came to nothing
  bool outage_ = false;         // said in the log
  std::optional<Error> cause_;  // why signing in failed
  Task idle_;
  std::function<void(const RedisValue&)> pushed_;
  std::function<void()> lost_;
  // Timers that outlive the connection look whether it is still there.
  const std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace tandem::components
