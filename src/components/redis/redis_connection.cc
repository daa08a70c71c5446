#include "components/redis/redis_connection.h"

#include <algorithm>
#include <charconv>
#include <random>
#include <utility>

namespace tandem::components {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kUnknownOutcome = "; whether the command was carried out is not known";

bool is_outage(const Error& error) { return error.code != Code::kUnauthenticated; }

}  // namespace

struct RedisConnection::Pending final : net::TimeoutEntry {
  Pending(RedisConnection& owner, RedisCall call) : owner(owner), call(std::move(call)) {}
  void on_timeout() override { owner.expired(*this); }

  RedisConnection& owner;
  RedisCall call;  // `done` is null once it was answered
  bool sent = false;
  int failures = 0;  // connections that it waited for in vain
};

RedisConnection::RedisConnection(net::Worker& worker, const RedisOptions& options, std::optional<RedisAddress> address)
    : worker_(worker), options_(options), address_(std::move(address)) {}

RedisConnection::~RedisConnection() = default;

void RedisConnection::send(RedisCall call) {
  if (waiting_.size() + sent_.size() >= kMaxCalls) {
    return call.done(fail(Code::kResourceExhausted, "too many commands wait for Redis at " + server_name()));
  }
  const SteadyTime deadline = call.deadline;
  auto pending = std::make_unique<Pending>(*this, std::move(call));
  if (deadline != SteadyTime::max()) worker_.timeouts().arm(*pending, deadline);
  if (phase_ == Phase::kReady) return transmit(std::move(pending));
  waiting_.push_back(std::move(pending));
  if (phase_ == Phase::kIdle) connect();
}

void RedisConnection::listen(std::function<void(const RedisValue&)> pushed, std::function<void()> lost) {
  pushed_ = std::move(pushed);
  lost_ = std::move(lost);
}

void RedisConnection::when_idle(Task idle) {
  idle_ = std::move(idle);
  tell_idle();
}

void RedisConnection::tell_idle() {
  if (idle_ == nullptr || !waiting_.empty() || !sent_.empty()) return;
  std::exchange(idle_, nullptr)();
}

void RedisConnection::abort(const Error& error) {
  stream_.reset();
  phase_ = Phase::kIdle;
  Queue all = std::exchange(sent_, {});
  for (auto& pending : waiting_) all.push_back(std::move(pending));
  waiting_.clear();
  for (auto& pending : all) answer(std::move(pending), fail(error));
  tell_idle();
}

void RedisConnection::answer(std::unique_ptr<Pending> pending, Result<RedisValue> result) {
  if (pending->call.done == nullptr) return;
  worker_.timeouts().disarm(*pending);
  std::exchange(pending->call.done, nullptr)(std::move(result));
}

void RedisConnection::expired(Pending& pending) {
  // Its place is kept: the answer may still come, and must not be taken for another's.
  Completion<RedisValue> done = std::exchange(pending.call.done, nullptr);
  std::string text = "Redis at " + server_name() + " has not answered in time";
  if (pending.sent && pending.call.repeat == RedisCall::Repeat::kNever) text += kUnknownOutcome;
  if (!pending.sent && cause_) text += ": " + cause_->message;
  while (!waiting_.empty() && waiting_.front()->call.done == nullptr) waiting_.pop_front();
  done(fail(Code::kDeadlineExceeded, std::move(text)));
  tell_idle();
}

// --- connecting ---

void RedisConnection::connect() {
  reader_ = std::make_unique<RedisReader>();
  steps_.clear();
  connect_to(address_ ? *address_ : options_.addresses[next_address_ % options_.addresses.size()],
             options_.sentinel_master.empty() ? Phase::kSigningIn : Phase::kAskingSentinel);
}

void RedisConnection::connect_to(const RedisAddress& address, Phase phase) {
  phase_ = phase;
  server_ = address;
  net::StreamTarget target{.host = address.host,
                           .port = address.port,
                           .tls = options_.tls,
                           .connect_timeout = options_.dial_timeout,
                           .write_timeout = options_.write_timeout};
  stream_ = std::make_unique<net::ByteStream>(worker_, std::move(target), *this);
}

void RedisConnection::on_open() {
  // Signing in has a limit also where commands have none.
  stream_->expect_bytes_within(options_.dial_timeout);
  phase_ == Phase::kAskingSentinel ? ask_sentinel() : sign_in();
}

void RedisConnection::say(std::string command, Check check) {
  steps_.push_back(check);
  stream_->write(command);
}

void RedisConnection::authenticate(const std::string& username, const std::string& password) {
  if (!username.empty()) {
    say(encode_command({"AUTH", username, password}), &RedisConnection::check_sign_in);
  } else if (!password.empty()) {
    say(encode_command({"AUTH", password}), &RedisConnection::check_sign_in);
  }
}

void RedisConnection::ask_sentinel() {
  authenticate(options_.sentinel_username, options_.sentinel_password);
  say(encode_command({"SENTINEL", "get-master-addr-by-name", options_.sentinel_master}),
      &RedisConnection::check_sentinel);
}

void RedisConnection::sign_in() {
  authenticate(options_.username, options_.password);
  if (options_.database != 0 && !options_.cluster) {
    say(encode_command({"SELECT", std::to_string(options_.database)}), &RedisConnection::check_sign_in);
  }
  // Sentinels may lag behind: what they name must say itself that it is the master.
  if (!options_.sentinel_master.empty()) say(encode_command({"ROLE"}), &RedisConnection::check_master);
  say(encode_command({"PING"}), &RedisConnection::check_loaded);
}

Status RedisConnection::check_sign_in(const RedisValue& value) {
  if (!value.is_error()) return {};
  if (value.is_error("LOADING") || value.is_error("MASTERDOWN")) return check_loaded(value);
  return fail(Code::kUnauthenticated, "Redis at " + server_name() + " refuses to sign in: " + value.text +
                                          "; check the user name, the password and the number of the database");
}

Status RedisConnection::check_loaded(const RedisValue& value) {
  if (!value.is_error()) return {};
  if (value.is_error("NOAUTH")) {
    return fail(Code::kUnauthenticated,
                "Redis at " + server_name() + " needs a password (redisPassword): " + value.text);
  }
  // A user may lack the right to PING and still do its work.
  if (value.is_error("NOPERM")) return {};
  return fail(Code::kUnavailable, "Redis at " + server_name() + " is not ready: " + value.text);
}

Status RedisConnection::check_master(const RedisValue& value) {
  if (value.is_error() && !value.is_error("NOPERM")) return check_loaded(value);
  if (value.items.empty() || value.items.front().text == "master") return {};
  return fail(Code::kUnavailable,
              "Redis at " + server_name() + " is not the master of \"" + options_.sentinel_master + "\" (any more)");
}

Status RedisConnection::check_sentinel(const RedisValue& value) {
  if (value.is_error()) {
    return fail(Code::kUnavailable, "the sentinel at " + server_name() + " does not answer: " + value.text);
  }
  std::uint16_t port = 0;
  if (value.items.size() == 2) {
    const std::string& text = value.items[1].text;
    std::from_chars(text.data(), text.data() + text.size(), port);
  }
  if (port == 0) {
    return fail(Code::kUnavailable, "the sentinel at " + server_name() + " knows no master \"" +
                                        options_.sentinel_master + "\" (sentinelMasterName)");
  }
  const RedisAddress master{value.items[0].text, port};
  reader_ = std::make_unique<RedisReader>();
  connect_to(master, Phase::kSigningIn);
  return {};
}

void RedisConnection::ready() {
  phase_ = Phase::kReady;
  cause_.reset();
  if (std::exchange(outage_, false)) warn("Redis at " + server_name() + " is there again");
  stream_->expect_bytes_within(milliseconds(0));
  for (Queue queue = std::exchange(waiting_, {}); !queue.empty(); queue.pop_front()) {
    if (queue.front()->call.done != nullptr) transmit(std::move(queue.front()));
  }
}

// --- commands and answers ---

void RedisConnection::transmit(std::unique_ptr<Pending> pending) {
  // A silent server is given up although each command has its own deadline: else the next ones go the same way.
  if (sent_.empty()) stream_->expect_bytes_within(silence_limit());
  pending->sent = true;
  stream_->write(pending->call.command);
  if (pending->call.repeat == RedisCall::Repeat::kNever && pending->call.script.empty()) pending->call.command = {};
  sent_.push_back(std::move(pending));
}

milliseconds RedisConnection::silence_limit() const {
  const bool patient = options_.read_timeout.count() == 0 || options_.write_timeout.count() == 0;
  return patient ? milliseconds(0) : std::max(options_.read_timeout, options_.write_timeout);
}

void RedisConnection::on_bytes(std::string_view bytes) {
  if (Status fed = reader_->feed(bytes); !fed) return lost(fed.error());
  while (stream_ != nullptr) {
    RedisReader* const reader = reader_.get();
    Result<std::optional<RedisValue>> value = reader->next();
    if (!value) return lost(value.error());
    if (!*value) break;
    if (phase_ != Phase::kReady) {
      if (steps_.empty()) return lost(make_error(Code::kInternal, server_name() + " answers what nobody has asked"));
      const Check check = steps_.front();
      steps_.pop_front();
      if (Status status = (this->*check)(**value); !status) return lost(status.error());
      if (reader_.get() != reader) return;  // on to the master that the sentinel has named
      if (steps_.empty()) ready();
      continue;
    }
    if (is_push(**value)) {
      pushed_(**value);
      continue;
    }
    if (sent_.empty()) return lost(make_error(Code::kInternal, server_name() + " answers what nobody has asked"));
    take(std::move(**value));
  }
  if (phase_ == Phase::kReady && sent_.empty()) stream_->expect_bytes_within(milliseconds(0));
  tell_idle();
}

bool RedisConnection::is_push(const RedisValue& value) const {
  if (pushed_ == nullptr || value.items.size() < 3) return false;
  return value.items.front().text == "message" || value.items.front().text == "pmessage";
}

void RedisConnection::take(RedisValue value) {
  failures_ = 0;
  std::unique_ptr<Pending> pending = std::move(sent_.front());
  sent_.pop_front();
  if (value.is_error("NOSCRIPT") && !pending->call.script.empty() && pending->call.done != nullptr) {
    return load_script(std::move(pending));
  }
  // The master has become a replica: the sentinels know the new one.
  const bool demoted = !options_.sentinel_master.empty() && value.is_error("READONLY");
  answer(std::move(pending), std::move(value));
  if (demoted && stream_ != nullptr) {
    lost(make_error(Code::kUnavailable, "Redis at " + server_name() + " is no longer the master"));
  }
}

void RedisConnection::load_script(std::unique_ptr<Pending> pending) {
  // Nobody waits for the first answer: the second one says whether it has helped.
  transmit(std::make_unique<Pending>(
      *this, RedisCall{.command = encode_command({"SCRIPT", "LOAD", std::exchange(pending->call.script, {})})}));
  transmit(std::move(pending));
}

// --- when it breaks ---

void RedisConnection::on_closed(const Error& error) { lost(error); }

void RedisConnection::lost(const Error& error) {
  const bool was_ready = phase_ == Phase::kReady;
  stream_.reset();
  steps_.clear();
  if (was_ready && lost_ != nullptr) {
    worker_.post([this, alive = std::weak_ptr<int>(alive_)] {
      if (!alive.expired()) lost_();
    });
  }
  // A server closes connections that are idle for long: nobody need know.
  if (was_ready && sent_.empty()) {
    phase_ = Phase::kIdle;
    return;
  }
  ++failures_;
  ++next_address_;
  if (!std::exchange(outage_, true)) warn(error.message + (was_ready ? "; connecting again" : ""));
  cause_ = error;
  // From here on: a completion may send again, and finds a connection that is backing off.
  phase_ = Phase::kBackingOff;
  settle_sent(error);
  if (!was_ready) settle_waiting(error);
  tell_idle();
  if (phase_ != Phase::kBackingOff) return;  // aborted meanwhile
  if (waiting_.empty() && is_outage(error)) {
    phase_ = Phase::kIdle;
  } else if (was_ready && failures_ <= 1) {
    connect();
  } else {
    back_off();
  }
}

void RedisConnection::settle_sent(const Error& error) {
  Queue again;
  for (Queue queue = std::exchange(sent_, {}); !queue.empty(); queue.pop_front()) {
    std::unique_ptr<Pending> pending = std::move(queue.front());
    if (pending->call.done == nullptr) continue;
    if (pending->call.repeat == RedisCall::Repeat::kAllowed && pending->failures++ < options_.max_retries) {
      pending->sent = false;
      again.push_back(std::move(pending));
      continue;
    }
    const bool unknown = pending->call.repeat == RedisCall::Repeat::kNever;
    answer(std::move(pending), fail(error.code, error.message + (unknown ? std::string(kUnknownOutcome) : "")));
  }
  for (; !again.empty(); again.pop_back()) waiting_.push_front(std::move(again.back()));
}

void RedisConnection::settle_waiting(const Error& error) {
  Queue kept;
  for (Queue queue = std::exchange(waiting_, {}); !queue.empty(); queue.pop_front()) {
    std::unique_ptr<Pending> pending = std::move(queue.front());
    if (pending->call.done == nullptr) continue;
    if (is_outage(error) && pending->failures++ < options_.max_retries) {
      kept.push_back(std::move(pending));
    } else {
      answer(std::move(pending), fail(error));
    }
  }
  // What a completion has sent meanwhile comes after.
  for (; !kept.empty(); kept.pop_back()) waiting_.push_front(std::move(kept.back()));
}

milliseconds RedisConnection::next_delay() const {
  // Dapr's rule: doubling from the shortest, never beyond the longest, which also wins when it is the shorter one.
  thread_local std::minstd_rand random{std::random_device{}()};
  const int doublings = std::clamp(failures_ - 1, 0, 16);
  const milliseconds longest = options_.max_retry_interval;
  milliseconds delay = std::min(options_.min_retry_interval * (1 << doublings), milliseconds(60'000));
  if (delay.count() > 0) delay += milliseconds(random() % static_cast<std::uint64_t>(delay.count()));
  return std::max(milliseconds(1), longest.count() > 0 ? std::min(delay, longest) : delay);
}

void RedisConnection::back_off() {
  worker_.post_after(next_delay(), [this, alive = std::weak_ptr<int>(alive_)] {
    if (alive.expired() || phase_ != Phase::kBackingOff) return;
    if (waiting_.empty()) {
      phase_ = Phase::kIdle;
    } else {
      connect();
    }
  });
}

void RedisConnection::warn(const std::string& text) const {
  if (options_.warn) options_.warn(text);
}

std::string RedisConnection::server_name() const {
  return net::StreamTarget{.host = address().host, .port = address().port}.name();
}

const RedisAddress& RedisConnection::address() const {
  if (!server_.host.empty()) return server_;
  return address_ ? *address_ : options_.addresses.front();
}

}  // namespace tandem::components
