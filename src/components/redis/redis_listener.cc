#include "components/redis/redis_listener.h"

#include <chrono>

namespace tandem::components {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kReturnDelay{1'000};
constexpr milliseconds kPingInterval{15'000};
constexpr milliseconds kLongestWait{10'000};  // for an answer, where the options have no limit

}  // namespace

RedisListener::RedisListener(net::Worker& worker, const RedisOptions& options, Hooks hooks)
    : worker_(worker), options_(options), hooks_(std::move(hooks)) {
  connection_ = std::make_unique<RedisConnection>(worker_, options_);
  connection_->listen(
      [this](const RedisValue& value) {
        const bool pattern = value.items.front().text == "pmessage";
        if (pattern && value.items.size() < 4) return;
        hooks_.heard(pattern ? Kind::kPattern : Kind::kChannel, value.items[pattern ? 2 : 1].text);
      },
      [this] { return_to_channels(); });
}

SteadyTime RedisListener::deadline() const {
  const milliseconds limit = options_.read_timeout.count() > 0 ? options_.read_timeout : kLongestWait;
  return std::chrono::steady_clock::now() + limit;
}

void RedisListener::subscribe(const Channel& channel, Completion<void> done) {
  const std::string_view command = channel.first == Kind::kPattern ? "PSUBSCRIBE" : "SUBSCRIBE";
  connection_->send({.command = encode_command({command, channel.second}),
                     .deadline = deadline(),
                     .done = [done = std::move(done)](Result<RedisValue> answer) mutable {
                       if (!answer) return done(fail(std::move(answer.error())));
                       if (answer->is_error()) return done(fail(Code::kInternal, "Redis: " + answer->text));
                       done({});
                     }});
}

void RedisListener::listen(Kind kind, std::string channel, Completion<void> done) {
  if (closed_) return done(fail(Code::kUnavailable, "the connection to Redis is closed"));
  Channel wanted{kind, std::move(channel)};
  if (channels_.size() >= kMaxChannels && !channels_.contains(wanted)) {
    return done(fail(Code::kResourceExhausted, "too many channels of Redis are listened to"));
  }
  const bool fresh = channels_.insert(wanted).second;
  if (fresh && channels_.size() == 1) keep_alive();
  subscribe(wanted, [this, alive = std::weak_ptr<int>(alive_), wanted, fresh,
                     done = std::move(done)](Result<void> result) mutable {
    if (!result && fresh && !alive.expired()) channels_.erase(wanted);
    done(std::move(result));
  });
}

void RedisListener::forget(Kind kind, const std::string& channel) {
  if (closed_ || channels_.erase({kind, channel}) == 0) return;
  const std::string_view command = kind == Kind::kPattern ? "PUNSUBSCRIBE" : "UNSUBSCRIBE";
  connection_->send({.command = encode_command({command, channel}), .deadline = deadline(), .done = [](auto) {}});
}

void RedisListener::close() {
  closed_ = true;
  channels_.clear();
  connection_->abort(make_error(Code::kUnavailable, "the connection to Redis is closed"));
}

void RedisListener::return_to_channels() {
  if (closed_ || returning_ || channels_.empty()) return;
  returning_ = true;
  hooks_.before_return([this, alive = std::weak_ptr<int>(alive_)](const Result<void>&) {
    if (alive.expired() || closed_) return;
    struct Round {
      std::size_t left = 0;
      bool failed = false;
    };
    const auto round = std::make_shared<Round>();
    const std::set<Channel> all = channels_;
    round->left = all.size() + 1;
    const auto one_done = [this, alive, round](const Result<void>& result) {
      round->failed |= !result;
      if (--round->left > 0 || alive.expired() || closed_) return;
      returning_ = false;
      round->failed ? return_later() : hooks_.restored();
    };
    for (const Channel& channel : all) subscribe(channel, one_done);
    one_done({});
  });
}

void RedisListener::return_later() {
  worker_.post_after(kReturnDelay, [this, alive = std::weak_ptr<int>(alive_)] {
    if (!alive.expired()) return_to_channels();
  });
}

void RedisListener::keep_alive() {
  if (std::exchange(pinging_, true)) return;
  worker_.post_after(kPingInterval, [this, alive = std::weak_ptr<int>(alive_)] {
    if (alive.expired() || closed_) return;
    pinging_ = false;
    if (channels_.empty()) return;
    connection_->send({.command = encode_command({"PING"}), .deadline = deadline(), .done = [](auto) {}});
    keep_alive();
  });
}

}  // namespace tandem::components
