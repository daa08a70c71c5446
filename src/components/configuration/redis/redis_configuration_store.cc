#include "components/configuration/redis/redis_configuration_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <future>
#include <map>
#include <set>
#include <utility>

#include "components/redis/redis_listener.h"

namespace tandem::components {
namespace {

using configuration::Item;
using configuration::Items;
using Kind = RedisListener::Kind;

constexpr std::string_view kSeparator = "||";
constexpr std::size_t kKeysACommand = 1'000;
// Keyspace events (K) of strings ($), of every key (g: DEL, EXPIRE …), and of what expires (x) or is evicted (e).
constexpr std::string_view kNeededFlags = "Kg$xe";
constexpr std::string_view kFlagsForAll = "g$lshzxetd";  // what A stands for
constexpr std::chrono::milliseconds kCloseGrace{1'000};
// Between tries to read a key that has changed.
constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::milliseconds kLongestPause{5'000};

Error redis_error(const RedisValue& value) { return make_error(Code::kInternal, "Redis: " + value.text); }

std::string encode(std::string_view command, const std::vector<std::string>& words, std::size_t from, std::size_t to) {
  std::vector<std::string_view> all = {command};
  for (std::size_t i = from; i < to; ++i) all.push_back(words[i]);
  return encode_command(all);
}

// A read of many keys, some at a time.
class Reading final : public std::enable_shared_from_this<Reading> {
 public:
  Reading(std::shared_ptr<RedisClient> client, SteadyTime deadline, Completion<Items> done)
      : client_(std::move(client)), deadline_(deadline), done_(std::move(done)) {}

  void read_keys(std::vector<std::string> keys) {
    keys_ = std::move(keys);
    if (keys_.size() > RedisConfigurationStore::kMaxItems) return refuse();
    read_next();
  }
  // All there are. Not KEYS, which nobody else could use the server during.
  void scan(const std::string& cursor = "0") {
    client_->send({.command = encode_command({"SCAN", cursor, "COUNT", "1000"})}, deadline_,
                  [self = shared_from_this()](Result<RedisValue> answer) { self->scanned(std::move(answer)); });
  }

 private:
  void scanned(Result<RedisValue> answer) {
    if (!answer) return done_(fail(std::move(answer.error())));
    if (answer->is_error()) return done_(fail(redis_error(*answer)));
    if (answer->items.size() != 2) return done_(fail(Code::kInternal, "Redis answers what was not asked for"));
    // A key may come more than once.
    for (RedisValue& key : answer->items[1].items) found_.insert(std::move(key.text));
    if (found_.size() > RedisConfigurationStore::kMaxItems) return refuse();
    if (answer->items[0].text != "0") return scan(answer->items[0].text);
    read_keys({found_.begin(), found_.end()});
  }

  void refuse() {
    done_(fail(Code::kResourceExhausted, fmt::format("there are more than {} keys: name those that are wanted",
                                                     RedisConfigurationStore::kMaxItems)));
  }

  void read_next() {
    if (next_ == keys_.size()) return done_(std::move(items_));
    const std::size_t from = next_;
    next_ = std::min(keys_.size(), from + kKeysACommand);
    client_->send(
        {.command = encode("MGET", keys_, from, next_)}, deadline_,
        [self = shared_from_this(), from](Result<RedisValue> answer) { self->take(std::move(answer), from); });
  }

  // MGET has nothing for a key that is not there, and for one that is no string.
  void take(Result<RedisValue> answer, std::size_t from) {
    if (!answer) return done_(fail(std::move(answer.error())));
    if (answer->is_error()) return done_(fail(redis_error(*answer)));
    if (answer->items.size() != next_ - from) {
      return done_(fail(Code::kInternal, "Redis answers what was not asked for"));
    }
    for (std::size_t i = 0; i < answer->items.size(); ++i) {
      Item item = parse_redis_item(answer->items[i].text);
      // As in Dapr, no value is no item.
      if (!item.value.empty()) items_.insert_or_assign(keys_[from + i], std::move(item));
    }
    read_next();
  }

  const std::shared_ptr<RedisClient> client_;
  const SteadyTime deadline_;
  Completion<Items> done_;
  std::set<std::string> found_;
  std::vector<std::string> keys_;
  std::size_t next_ = 0;
  Items items_;
};

}  // namespace

Item parse_redis_item(std::string_view text) {
  const std::size_t end = text.find(kSeparator);
  if (end == std::string_view::npos) return {.value = std::string(text)};
  const std::string_view rest = text.substr(end + kSeparator.size());
  return {.value = std::string(text.substr(0, end)), .version = std::string(rest.substr(0, rest.find(kSeparator)))};
}

std::string notification_flags(std::string_view present) {
  const auto has = [&](char flag) {
    return present.contains(flag) || (present.contains('A') && kFlagsForAll.contains(flag));
  };
  if (std::ranges::all_of(kNeededFlags, has)) return {};
  std::string flags(present);
  for (const char flag : kNeededFlags) {
    if (!has(flag)) flags += flag;
  }
  return flags;
}

// The subscriptions, on their worker.
class RedisConfigurationStore::Watch final : public std::enable_shared_from_this<Watch> {
 public:
  Watch(std::shared_ptr<RedisClient> client, RedisOptions options, net::Worker& worker)
      : client_(std::move(client)), options_(std::move(options)), worker_(worker) {}

  void subscribe(configuration::SubscribeRequest request, std::shared_ptr<configuration::Watcher> watcher,
                 Completion<void> done) {
    if (closed_) return done(fail(Code::kUnavailable, "the connection to Redis is closed"));
    std::vector<Channel> channels;
    for (const std::string& key : request.keys) channels.emplace_back(Kind::kChannel, key);
    if (channels.empty()) channels.emplace_back(Kind::kPattern, "*");
    const std::string id = request.id;
    unsubscribe(id);  // an earlier attempt of the same
    Subscription& subscription = subscriptions_[id];
    const std::uint64_t attempt = subscription.attempt = ++attempts_;
    subscription.watcher = std::move(watcher);
    subscription.channels.insert(channels.begin(), channels.end());
    for (const Channel& channel : subscription.channels) ++watched_[channel];
    switch_events_on([self = shared_from_this(), id, attempt, channels = std::move(channels),
                      done = std::move(done)](const Result<void>& switched) mutable {
      if (!switched) return self->refuse(id, attempt, switched.error(), std::move(done));
      self->listen_to(id, attempt, channels, std::move(done));
    });
  }

  void unsubscribe(const std::string& id) {
    const auto found = subscriptions_.find(id);
    if (found == subscriptions_.end()) return;
    for (const Channel& channel : found->second.channels) {
      const auto count = watched_.find(channel);
      if (--count->second > 0) continue;
      watched_.erase(count);
      if (listener_) listener_->forget(channel.first, name_of(channel));
    }
    subscriptions_.erase(found);
  }

  void close() {
    closed_ = true;
    subscriptions_.clear();
    watched_.clear();
    if (listener_) listener_->close();
  }

 private:
  // A key; "*" as a pattern is all of them.
  using Channel = std::pair<Kind, std::string>;
  struct Subscription {
    std::shared_ptr<configuration::Watcher> watcher;
    std::set<Channel> channels;
    std::uint64_t attempt = 0;
  };
  bool is_there(const std::string& id, std::uint64_t attempt) const {
    const auto found = subscriptions_.find(id);
    return found != subscriptions_.end() && found->second.attempt == attempt;
  }
  // A key whose value is being read.
  enum class Read { kUnderWay, kOnceMore };

  std::string prefix() const { return fmt::format("__keyspace@{}__:", options_.database); }
  std::string name_of(const Channel& channel) const { return prefix() + channel.second; }

  RedisListener& listener() {
    if (listener_ == nullptr) {
      listener_ = std::make_unique<RedisListener>(
          worker_, options_,
          RedisListener::Hooks{.heard = [this](Kind kind, std::string_view channel) { heard(kind, channel); },
                               .before_return = [this](Completion<void> done) { switch_events_on(std::move(done)); },
                               .restored = [this] { tell_all(); }});
    }
    return *listener_;
  }

  // The server may have been started anew since the last time: its setting is gone then.
  void switch_events_on(Completion<void> done) {
    client_->send({.command = encode_command({"CONFIG", "GET", "notify-keyspace-events"})}, SteadyTime::max(),
                  [self = shared_from_this(), done = std::move(done)](Result<RedisValue> answer) mutable {
                    if (!answer) return done(fail(std::move(answer.error())));
                    if (answer->is_error()) {
                      self->warn_of_setting(answer->text);
                      return done({});
                    }
                    const std::string present = answer->items.size() == 2 ? answer->items[1].text : std::string();
                    const std::string flags = notification_flags(present);
                    if (flags.empty()) return done({});
                    self->set_flags(flags, std::move(done));
                  });
  }
  void set_flags(const std::string& flags, Completion<void> done) {
    client_->send({.command = encode_command({"CONFIG", "SET", "notify-keyspace-events", flags}),
                   .kind = RedisClient::Kind::kRead},
                  SteadyTime::max(),
                  [self = shared_from_this(), done = std::move(done)](Result<RedisValue> answer) mutable {
                    if (!answer) return done(fail(std::move(answer.error())));
                    if (answer->is_error()) self->warn_of_setting(answer->text);
                    done({});
                  });
  }
  // A server that others look after does not let its settings be read; they may be right all the same.
  void warn_of_setting(const std::string& why) {
    if (std::exchange(warned_, true) || !options_.warn) return;
    options_.warn(
        fmt::format("Redis's setting notify-keyspace-events cannot be changed; changes are heard only if it "
                    "has {}: {}",
                    kNeededFlags, why));
  }

  void listen_to(const std::string& id, std::uint64_t attempt, const std::vector<Channel>& channels,
                 Completion<void> done) {
    if (!is_there(id, attempt)) return done(fail(Code::kCancelled, "it was ended before it began"));
    struct Round {
      std::size_t left = 0;
      Result<void> result;
      Completion<void> done;
    };
    const auto round = std::make_shared<Round>();
    round->left = channels.size();
    round->done = std::move(done);
    for (const Channel& channel : channels) {
      listener().listen(channel.first, name_of(channel),
                        [self = shared_from_this(), round, id, attempt](Result<void> result) {
                          if (!result && round->result) round->result = std::move(result);
                          if (--round->left > 0) return;
                          if (round->result) return round->done({});
                          self->refuse(id, attempt, round->result.error(), std::move(round->done));
                        });
    }
  }
  void refuse(const std::string& id, std::uint64_t attempt, const Error& error, Completion<void> done) {
    if (is_there(id, attempt)) unsubscribe(id);
    done(fail(error));
  }

  void heard(Kind kind, std::string_view channel) {
    const std::string before = prefix();
    if (channel.starts_with(before)) read({kind, std::string(channel.substr(before.size()))});
  }
  // After an outage. Of those who watch all keys nobody knows which to tell.
  void tell_all() {
    std::vector<Channel> keys;
    for (const auto& [channel, count] : watched_) {
      if (channel.first == Kind::kChannel) keys.push_back(channel);
    }
    for (Channel& key : keys) read(std::move(key));
  }

  static Channel watched_as(const Channel& key) {
    return key.first == Kind::kPattern ? Channel{Kind::kPattern, "*"} : key;
  }

  // One read a key at a time; what changes during one is read after it.
  void read(Channel key) {
    if (closed_ || !watched_.contains(watched_as(key))) return;
    const auto [at, fresh] = reads_.try_emplace(key, Read::kUnderWay);
    if (!fresh) {
      at->second = Read::kOnceMore;
      return;
    }
    client_->send({.command = encode_command({"GET", key.second})}, SteadyTime::max(),
                  [self = shared_from_this(), key](const Result<RedisValue>& answer) {
                    const auto under_way = self->reads_.extract(key);
                    if (!answer || (answer->is_error() && !answer->is_error("WRONGTYPE"))) {
                      return self->read_later(key, answer ? answer->text : answer.error().message);
                    }
                    self->failures_ = 0;
                    self->tell(key, *answer);
                    if (!under_way.empty() && under_way.mapped() == Read::kOnceMore) self->read(key);
                  });
  }
  // A change is not forgotten because the server does not say at once what it is.
  void read_later(Channel key, const std::string& why) {
    if (closed_) return;
    if (failures_ == 0 && options_.warn) {
      options_.warn(fmt::format("a key has changed and cannot be read yet: {}", why));
    }
    unread_.insert(std::move(key));
    if (std::exchange(pausing_, true)) return;
    const int doublings = std::min(failures_++, 10);
    worker_.post_after(std::min(kFirstPause * (1 << doublings), kLongestPause), [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self == nullptr) return;
      self->pausing_ = false;
      for (const Channel& key : std::exchange(self->unread_, {})) self->read(key);
    });
  }
  void tell(const Channel& key, const RedisValue& answer) {
    if (closed_) return;
    // An error: it is no string any more.
    Item item = answer.is_error() ? Item() : parse_redis_item(answer.text);
    if (item.value.empty()) item = {};
    const Channel watched = watched_as(key);
    for (const auto& [id, subscription] : subscriptions_) {
      if (subscription.channels.contains(watched)) subscription.watcher->changed({{key.second, item}});
    }
  }

  const std::shared_ptr<RedisClient> client_;
  const RedisOptions options_;
  net::Worker& worker_;
  std::unique_ptr<RedisListener> listener_;
  std::map<std::string, Subscription, std::less<>> subscriptions_;  // by id
  std::map<Channel, int> watched_;                                  // by how many subscriptions
  std::map<Channel, Read> reads_;
  std::set<Channel> unread_;  // have changed, and could not be read
  bool pausing_ = false;      // until they are read once more
  int failures_ = 0;          // pauses since a read has worked
  std::uint64_t attempts_ = 0;
  bool warned_ = false;
  bool closed_ = false;
};

Result<std::unique_ptr<RedisConfigurationStore>> RedisConfigurationStore::open(RedisOptions options,
                                                                               net::Workers& workers,
                                                                               SteadyTime deadline) {
  if (options.cluster) {
    return fail(Code::kUnimplemented,
                "redisType: cluster is not supported: the nodes of a cluster do not tell each other of changes");
  }
  Result<RedisClient::Opened> opened = RedisClient::open(options, workers, {encode_command({"PING"})}, deadline);
  if (!opened) return fail(std::move(opened.error()));
  if (opened->answers[0].is_error()) return fail(redis_error(opened->answers[0]));
  return std::unique_ptr<RedisConfigurationStore>(
      new RedisConfigurationStore(std::move(opened->client), std::move(options), workers[0]));
}

RedisConfigurationStore::RedisConfigurationStore(std::shared_ptr<RedisClient> client, RedisOptions options,
                                                 net::Worker& worker)
    : client_(std::move(client)),
      worker_(worker),
      watch_(std::make_shared<Watch>(client_, std::move(options), worker)) {}

RedisConfigurationStore::~RedisConfigurationStore() {
  close(std::chrono::steady_clock::now());
  // The worker may be in the middle of it.
  if (worker_.running()) worker_.post([watch = std::move(watch_)] {});
}

void RedisConfigurationStore::get(const CallContext& context, std::vector<std::string> keys, Metadata,
                                  Completion<Items> done) {
  const auto reading = std::make_shared<Reading>(client_, context.deadline, std::move(done));
  if (keys.empty()) return reading->scan();
  reading->read_keys(std::move(keys));
}

void RedisConfigurationStore::subscribe(const CallContext&, configuration::SubscribeRequest request,
                                        std::shared_ptr<configuration::Watcher> watcher, Completion<void> done) {
  worker_.post(
      [watch = watch_, request = std::move(request), watcher = std::move(watcher), done = std::move(done)]() mutable {
        watch->subscribe(std::move(request), std::move(watcher), std::move(done));
      });
}

void RedisConfigurationStore::unsubscribe(const CallContext&, std::string id, Completion<void> done) {
  worker_.post([watch = watch_, id = std::move(id), done = std::move(done)]() mutable {
    watch->unsubscribe(id);
    done({});
  });
}

void RedisConfigurationStore::close(SteadyTime deadline) {
  if (worker_.running()) {
    const auto promise = std::make_shared<std::promise<void>>();
    std::future<void> closed = promise->get_future();
    worker_.post([watch = watch_, promise] {
      watch->close();
      promise->set_value();
    });
    closed.wait_until(std::max(deadline, std::chrono::steady_clock::now() + kCloseGrace));
  } else if (watch_) {
    watch_->close();
  }
  client_->close(deadline);
}

}  // namespace tandem::components
