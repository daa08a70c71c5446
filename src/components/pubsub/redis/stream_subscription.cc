#include "components/pubsub/redis/stream_subscription.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace tandem::components {
namespace {

using pubsub::Message;
using pubsub::Verdict;
using std::chrono::milliseconds;

constexpr milliseconds kBlock{2'000};
constexpr milliseconds kMinSilence{1'000};  // after which a blocking read that is overdue gives its connection up
constexpr milliseconds kFirstPause{100};
constexpr milliseconds kLongestPause{5'000};
constexpr milliseconds kAcknowledgeAgain{500};
constexpr milliseconds kMinTick{20};
constexpr milliseconds kCommandPatience{30'000};
// A message that has waited for this part of the processing timeout is counted anew when its handler begins; for less
// the handler has so much less time.
constexpr int kSmallPart = 20;
constexpr std::size_t kPage = 1'000;  // ids of one command
constexpr int kMaxPages = 100;        // of one look for what is lost
// Acknowledgements that the server has not taken; nothing more is read then.
constexpr std::size_t kMaxUnacknowledged = 10'000;

RedisOptions blocking(RedisOptions options) {
  // A silent server is one that does not answer a read that is over.
  const milliseconds patience = kBlock + std::max(options.read_timeout, kMinSilence);
  options.read_timeout = patience;
  options.write_timeout = patience;
  return options;
}

}  // namespace

StreamSubscription::StreamSubscription(std::shared_ptr<StreamSurroundings> surroundings, StreamGroup group,
                                       pubsub::MessageHandler handler)
    : surroundings_(std::move(surroundings)),
      group_(std::move(group)),
      handler_(std::move(handler)),
      blocking_options_(blocking(surroundings_->options.redis)) {}

void StreamSubscription::start() {
  if (stopped_) return;
  link_ = std::make_unique<RedisLink>(surroundings_->worker, blocking_options_);
  next_look_ = Clock::now();
  create_group();
  tick();
}

void StreamSubscription::stop(Task idle) {
  idle_ = std::move(idle);
  if (!std::exchange(stopped_, true)) {
    // What nobody has begun is for others, at once.
    std::vector<std::string> waiting;
    for (const Waiting& one : queue_) {
      waiting.push_back(one.id);
      in_hand_.erase(one.id);
    }
    queue_.clear();
    give_back(std::move(waiting));
    // What a read still brings is given back as well.
    if (reading_) unblock();
  }
  tell_idle();
}

void StreamSubscription::abandon() {
  stopped_ = true;
  link_.reset();
  reading_ = false;
  idle_ = nullptr;
}

void StreamSubscription::unblock() {
  const auto give_up = [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr || !self->reading_) return;
    self->link_.reset();
    self->reading_ = false;
    self->tell_idle();
  };
  surroundings_->worker.post_after(kBlock + kMinSilence, give_up);
  if (connection_id_.empty()) return;
  send(encode_command({"CLIENT", "UNBLOCK", connection_id_}), [give_up](const Result<RedisValue>& answer) {
    if (!answer) give_up();
  });
}

void StreamSubscription::give_back(std::vector<std::string> ids) {
  if (ids.empty() || !surroundings_->options.redelivers()) return;
  send(hold_command(group_, surroundings_->options.processing_timeout, ids), [](const Result<RedisValue>&) {});
}

void StreamSubscription::tell_idle() {
  if (idle_ == nullptr || reading_ || !flights_.empty() || !done_.empty() || flushing_) return;
  link_.reset();
  std::exchange(idle_, nullptr)();
}

void StreamSubscription::warn(Matter matter, const std::string& problem) {
  if (std::exchange(said_[matter], problem) == problem) return;
  if (surroundings_->warn) surroundings_->warn(problem, group_.topic);
}

void StreamSubscription::send(std::string command, Completion<RedisValue> done) {
  if (surroundings_->client == nullptr) return done(fail(Code::kUnavailable, "component is closed"));
  surroundings_->client->send({.command = std::move(command), .kind = RedisClient::Kind::kRead, .key = group_.topic},
                              Clock::now() + kCommandPatience, std::move(done));
}

void StreamSubscription::after(milliseconds delay, void (StreamSubscription::*step)()) {
  surroundings_->worker.post_after(delay, [weak = weak_from_this(), step] {
    if (const auto self = weak.lock()) (self.get()->*step)();
  });
}

void StreamSubscription::again_later(void (StreamSubscription::*step)()) {
  const int doublings = std::min(failures_++, 10);
  pausing_ = true;
  surroundings_->worker.post_after(std::min(kFirstPause * (1 << doublings), kLongestPause),
                                   [weak = weak_from_this(), step] {
                                     const auto self = weak.lock();
                                     if (self == nullptr) return;
                                     self->pausing_ = false;
                                     (self.get()->*step)();
                                   });
}

// --- reading ---

void StreamSubscription::create_group() {
  if (stopped_ || reading_ || pausing_) return;
  reading_ = true;
  link_->send({.command = create_group_command(group_),
               .deadline = Clock::now() + kCommandPatience,
               .repeat = RedisCall::Repeat::kAllowed,
               .done =
                   [weak = weak_from_this()](Result<RedisValue> answer) {
                     if (const auto self = weak.lock()) self->group_created(std::move(answer));
                   }},
              redis_slot(group_.topic));
}

void StreamSubscription::group_created(Result<RedisValue> answer) {
  reading_ = false;
  if (stopped_) return surroundings_->worker.post([self = shared_from_this()] { self->tell_idle(); });
  if (!answer) return again_later(&StreamSubscription::create_group);
  if (answer->is_error() && !answer->is_error("BUSYGROUP")) {
    warn(Matter::kReading, "cannot create the consumer group " + group_.name + ": " + answer->text);
    return again_later(&StreamSubscription::create_group);
  }
  read_more();
}

std::size_t StreamSubscription::room() const {
  const std::size_t depth = surroundings_->options.queue_depth;
  if (done_.size() >= kMaxUnacknowledged || queue_.size() >= depth) return 0;
  return depth - queue_.size();
}

void StreamSubscription::read_more() {
  // Half a queue at least, so that a slow handler does not make a command for each message.
  const std::size_t free = room();
  if (stopped_ || reading_ || pausing_ || free == 0 || free * 2 < surroundings_->options.queue_depth) return;
  reading_ = true;
  if (connection_id_.empty() && !surroundings_->options.redis.cluster) ask_for_connection_id();
  link_->send({.command = read_command(group_, std::min(free, kPage), kBlock),
               .deadline = Clock::now() + kCommandPatience,
               .done =
                   [weak = weak_from_this()](Result<RedisValue> answer) {
                     if (const auto self = weak.lock()) self->messages_read(std::move(answer));
                   }},
              redis_slot(group_.topic));
}

void StreamSubscription::ask_for_connection_id() {
  link_->send({.command = encode_command({"CLIENT", "ID"}),
               .deadline = Clock::now() + kCommandPatience,
               .done =
                   [weak = weak_from_this()](const Result<RedisValue>& answer) {
                     const auto self = weak.lock();
                     if (self == nullptr || !answer || answer->type != RedisValue::Type::kInteger) return;
                     self->connection_id_ = std::to_string(answer->integer);
                   }},
              0);
}

void StreamSubscription::messages_read(Result<RedisValue> answer) {
  reading_ = false;
  if (stopped_) {
    std::vector<std::string> ids;
    if (answer) {
      for (StreamEntry& entry : read_entries(*answer)) ids.push_back(std::move(entry.id));
    }
    give_back(std::move(ids));
    // Not inside the connection's own call.
    return surroundings_->worker.post([self = shared_from_this()] { self->tell_idle(); });
  }
  // The connection says itself that it was lost.
  if (!answer) {
    connection_id_.clear();
    return again_later(&StreamSubscription::read_more);
  }
  if (answer->is_error()) {
    // The second is what a read hears that waits at that moment.
    if (answer->is_error("NOGROUP") || answer->is_error("UNBLOCKED")) {
      warn(Matter::kReading,
           "the consumer group " + group_.name + " is gone, with or without its stream: it is made anew");
      return create_group();
    }
    warn(Matter::kReading, "the stream cannot be read: " + answer->text);
    return again_later(&StreamSubscription::read_more);
  }
  failures_ = 0;
  said_.erase(Matter::kReading);
  for (StreamEntry& entry : read_entries(*answer)) {
    // A group that was made anew begins with the whole stream.
    if (entry.deleted || !in_hand_.insert(entry.id).second) continue;
    queue_.push_back(received(std::move(entry)));
  }
  deliver_waiting();
  read_more();
}

StreamSubscription::Waiting StreamSubscription::received(StreamEntry entry) {
  if (!entry.problem.empty()) {
    warn(Matter::kMetadata, "the metadata of message " + entry.id + " cannot be read: " + entry.problem);
  }
  return {std::move(entry.id),
          Message{.topic = group_.topic,
                  .data = share(std::move(entry.data)),
                  .content_type = {},
                  .metadata = std::move(entry.metadata)},
          Clock::now()};
}

void StreamSubscription::deliver_waiting() {
  if (has_more()) surroundings_->slots.want(shared_from_this());
}

// --- delivery ---

bool StreamSubscription::begin_one() {
  if (!has_more()) return false;
  Waiting next = std::move(queue_.front());
  queue_.pop_front();
  SteadyTime since = Clock::now();
  if (surroundings_->options.redelivers()) {
    const milliseconds timeout = surroundings_->options.processing_timeout;
    if (since - next.held_since > timeout / kSmallPart) {
      count_anew(next.id);
    } else {
      since = next.held_since;
    }
    next.message.give_up_by = since + timeout;
  }
  const std::uint64_t number = ++next_number_;
  flights_[next.id] = {number, since};
  read_more();
  handler_(std::move(next.message), [weak = weak_from_this(), &worker = surroundings_->worker, id = std::move(next.id),
                                     number](Result<Verdict> verdict) mutable {
    const auto self = weak.lock();
    if (self == nullptr) return;
    if (worker.running_here()) return self->ended(id, number, verdict);
    worker.post([self, id = std::move(id), number, verdict = std::move(verdict)] { self->ended(id, number, verdict); });
  });
  return true;
}

void StreamSubscription::count_anew(const std::string& id) {
  begun_.push_back(id);
  if (begun_.size() > 1) return;
  surroundings_->worker.post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    const std::vector<std::string> ids = std::exchange(self->begun_, {});
    self->send(hold_command(self->group_, milliseconds(0), ids), [](const Result<RedisValue>&) {});
  });
}

void StreamSubscription::ended(const std::string& id, std::uint64_t number, const Result<Verdict>& verdict) {
  const auto flight = flights_.find(id);
  const bool in_time = flight != flights_.end() && flight->second.number == number;
  if (in_time) flights_.erase(flight);
  if (verdict && *verdict != Verdict::kRetry) {
    // It may have been fetched again meanwhile.
    std::erase_if(queue_, [&](const Waiting& waiting) { return waiting.id == id; });
    acknowledge(id);
  } else if (in_time) {
    // It stays with the group, which gives it out again in time.
    in_hand_.erase(id);
  }
  if (in_time) surroundings_->slots.release();
  read_more();
  tell_idle();
}

void StreamSubscription::acknowledge(const std::string& id) {
  in_hand_.insert(id);
  done_.push_back(id);
  if (std::exchange(flushing_, true)) return;
  // All of this turn of the loop together.
  surroundings_->worker.post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->flush();
  });
}

void StreamSubscription::flush() {
  const std::size_t count = std::min(done_.size(), kPage);
  if (count == 0) {
    flushing_ = false;
    return tell_idle();
  }
  const auto first = done_.begin();
  std::vector<std::string> ids(std::make_move_iterator(first),
                               std::make_move_iterator(first + static_cast<std::ptrdiff_t>(count)));
  done_.erase(first, first + static_cast<std::ptrdiff_t>(count));
  std::string command = acknowledge_command(group_, ids);
  send(std::move(command), [weak = weak_from_this(), ids = std::move(ids)](const Result<RedisValue>& answer) mutable {
    if (const auto self = weak.lock()) self->acknowledged(std::move(ids), answer);
  });
}

void StreamSubscription::acknowledged(std::vector<std::string> ids, const Result<RedisValue>& answer) {
  // A server that is not there for a while is no reason to forget what the app has taken.
  const bool closed = stopped_ && !answer && surroundings_->client == nullptr;
  // What is no stream any more has nothing to acknowledge.
  const bool taken = answer && (!answer->is_error() || answer->is_error("WRONGTYPE"));
  if (taken || closed) {
    said_.erase(Matter::kAcknowledging);
    for (const std::string& id : ids) in_hand_.erase(id);
    flush();
    read_more();
    return;
  }
  done_.insert(done_.begin(), std::make_move_iterator(ids.begin()), std::make_move_iterator(ids.end()));
  if (answer) warn(Matter::kAcknowledging, "messages cannot be acknowledged: " + answer->text);
  after(kAcknowledgeAgain, &StreamSubscription::flush);
}

// --- what takes too long, and what is lost ---

void StreamSubscription::tick() {
  const RedisStreamOptions& options = surroundings_->options;
  if (stopped_ || !options.redelivers()) return;
  const SteadyTime now = Clock::now();
  std::vector<std::vector<std::string>> waiting;
  for (const Waiting& one : queue_) {
    if (now - one.held_since <= options.processing_timeout / 3) continue;
    if (waiting.empty() || waiting.back().size() == kPage) waiting.emplace_back();
    waiting.back().push_back(one.id);
  }
  for (std::vector<std::string>& page : waiting) hold(std::move(page));
  std::size_t let_go = 0;
  for (auto at = flights_.begin(); at != flights_.end();) {
    if (now - at->second.since < options.processing_timeout) {
      ++at;
      continue;
    }
    in_hand_.erase(at->first);
    at = flights_.erase(at);
    ++let_go;
  }
  for (; let_go > 0; --let_go) surroundings_->slots.release();
  if (now >= next_look_ && !looking_) {
    next_look_ = now + options.redeliver_interval;
    looking_ = true;
    look_for_lost("-", kMaxPages);
  }
  after(std::max(kMinTick, std::min(options.redeliver_interval, options.processing_timeout / 3)),
        &StreamSubscription::tick);
}

void StreamSubscription::look_for_lost(const std::string& from, int pages_left) {
  if (stopped_ || pages_left == 0 || room() == 0) {
    looking_ = false;
    return;
  }
  send(pending_command(group_, from, kPage), [weak = weak_from_this(), pages_left](const Result<RedisValue>& answer) {
    if (const auto self = weak.lock()) self->lost_found(answer, pages_left);
  });
}

void StreamSubscription::lost_found(const Result<RedisValue>& answer, int pages_left) {
  if (stopped_ || !answer || answer->is_error()) {
    looking_ = false;
    // A group that is gone, or no stream, is the reader's to speak of.
    if (answer && answer->is_error() && !answer->is_error("NOGROUP") && !answer->is_error("WRONGTYPE")) {
      warn(Matter::kSearch, "pending messages cannot be listed: " + answer->text);
    }
    return;
  }
  said_.erase(Matter::kSearch);
  const std::vector<PendingEntry> pending = pending_entries(*answer);
  std::vector<std::string> lost;
  for (const PendingEntry& one : pending) {
    if (lost.size() == room()) break;
    if (one.idle >= surroundings_->options.processing_timeout && !in_hand_.contains(one.id)) lost.push_back(one.id);
  }
  auto go_on = [weak = weak_from_this(), pages_left, last = pending.size() < kPage ? "" : pending.back().id] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    if (last.empty()) {
      self->looking_ = false;
    } else {
      self->look_for_lost(next_stream_id(last), pages_left - 1);
    }
  };
  if (lost.empty()) return go_on();
  std::string command = claim_command(group_, surroundings_->options.processing_timeout, lost);
  send(std::move(command),
       [weak = weak_from_this(), lost = std::move(lost), go_on = std::move(go_on)](Result<RedisValue> answer) mutable {
         if (const auto self = weak.lock()) self->claimed(std::move(lost), std::move(answer), go_on);
       });
}

void StreamSubscription::claimed(std::vector<std::string> wanted, Result<RedisValue> answer,
                                 const std::function<void()>& go_on) {
  if (stopped_ || !answer || answer->is_error()) {
    looking_ = false;
    return;
  }
  // Before what is new: they are older.
  bool gone = false;
  std::vector<Waiting> found;
  for (StreamEntry& entry : claimed_entries(*answer)) {
    gone |= entry.deleted;
    std::erase(wanted, entry.id);
    if (entry.deleted || !in_hand_.insert(entry.id).second) continue;
    found.push_back(received(std::move(entry)));
  }
  queue_.insert(queue_.begin(), std::make_move_iterator(found.begin()), std::make_move_iterator(found.end()));
  // Before Redis 7 a message that was deleted stays with the group for ever, and has no id here.
  if (gone) {
    for (const std::string& id : wanted) acknowledge_if_gone(id);
  }
  deliver_waiting();
  go_on();
}

void StreamSubscription::acknowledge_if_gone(const std::string& id) {
  send(encode_command({"XRANGE", group_.topic, id, id}),
       [weak = weak_from_this(), id](const Result<RedisValue>& answer) {
         const auto self = weak.lock();
         if (self == nullptr || self->stopped_ || !answer || answer->is_error() || !answer->items.empty()) return;
         self->acknowledge(id);
       });
}

void StreamSubscription::hold(std::vector<std::string> ids) {
  std::string command = hold_command(group_, milliseconds(0), ids);
  // The group counts from when it has heard of it, which may be long before the answer is here.
  send(std::move(command),
       [weak = weak_from_this(), ids = std::move(ids), asked = Clock::now()](const Result<RedisValue>& answer) {
         const auto self = weak.lock();
         if (self != nullptr && answer && !answer->is_error()) self->let_go_of_others(ids, *answer, asked);
       });
}

void StreamSubscription::let_go_of_others(const std::vector<std::string>& held, const RedisValue& still,
                                          SteadyTime held_since) {
  std::set<std::string> ours;
  for (const RedisValue& id : still.items) ours.insert(id.text);
  const std::set<std::string> asked(held.begin(), held.end());
  std::erase_if(queue_, [&](Waiting& waiting) {
    if (!asked.contains(waiting.id)) return false;
    waiting.held_since = held_since;
    if (ours.contains(waiting.id)) return false;
    // Somebody else has acknowledged it.
    in_hand_.erase(waiting.id);
    return true;
  });
  read_more();
}

}  // namespace tandem::components
