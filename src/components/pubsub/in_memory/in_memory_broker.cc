#include "components/pubsub/in_memory/in_memory_broker.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "blocks/late_completion.h"

namespace tandem::components {
namespace {

using pubsub::Message;
using pubsub::MessageHandler;
using pubsub::PublishRequest;
using pubsub::Verdict;

constexpr std::string_view kScope = "tandem.pubsub.in-memory";
// Deliveries that one turn of an executor makes, one after the other; then others have theirs.
constexpr int kTurn = 16;

Error closed_error() { return make_error(Code::kUnavailable, "component is closed"); }

// Dapr's rule: the star stands for at least one character.
bool matches(std::string_view pattern, std::string_view topic) {
  if (pattern == topic) return true;
  if (!pattern.ends_with('*')) return false;
  pattern.remove_suffix(1);
  return topic.size() > pattern.size() && topic.starts_with(pattern);
}

}  // namespace

class InMemoryBroker::Core final : public std::enable_shared_from_this<Core> {
 public:
  struct Subscriber {
    MessageHandler handler;
    bool active = true;  // under the core's mutex
  };
  struct Group;

  Core(std::vector<TimedExecutor*> executors, Options options, const Logger* log)
      : executors_(std::move(executors)), options_(options), log_(log) {}

  void publish(const CallContext& context, PublishRequest request, Completion<void> done);
  Result<std::shared_ptr<Subscriber>> subscribe(const std::string& topic, const std::string& name,
                                                MessageHandler handler);
  void unsubscribe(Subscriber& subscriber);
  void close(SteadyTime deadline);

 private:
  struct Pending {
    Message message;
    int tries = 0;
  };
  using PendingPointer = std::shared_ptr<Pending>;
  struct Waiter {
    PublishRequest request;
    Completion<void> done;  // empty once it has run
  };
  // Completions, run after the mutex is released.
  using Finished = std::vector<std::pair<Completion<void>, Result<void>>>;

  // One message for one subscriber: counted as in flight, and not yet begun.
  struct Turn {
    std::shared_ptr<Subscriber> subscriber;
    PendingPointer pending;
  };

  static void finish(Finished finished);
  bool has_room(std::string_view topic, std::size_t bytes) const;
  void enqueue(PublishRequest request);
  TimedExecutor& nearest_executor();
  TimedExecutor& next_executor() { return *executors_[next_executor_++ % executors_.size()]; }
  bool may_begin(const Group& group) const;
  Turn take(Group& group);
  void start_deliveries(const std::shared_ptr<Group>& group);
  void start_delivery(Executor& executor, const std::shared_ptr<Group>& group);
  void run_deliveries(const std::shared_ptr<Group>& group, Turn turn);
  std::optional<Result<Verdict>> deliver(const std::shared_ptr<Group>& group, const Turn& turn);
  void end_delivery(const std::shared_ptr<Group>& group, PendingPointer pending, Result<Verdict> result);
  void settle(const std::shared_ptr<Group>& group, PendingPointer pending, const Result<Verdict>& result,
              Finished& finished);
  void forget(Group& group, const Pending& pending);
  void admit_waiting(Finished& finished);
  void wait_for_room(const CallContext& context, PublishRequest request, Completion<void> done);
  void give_up_waiting(const std::weak_ptr<Waiter>& waiter);

  TimedExecutor& clock() const { return *executors_.front(); }

  const std::vector<TimedExecutor*> executors_;
  const Options options_;
  const Logger* const log_;

  std::mutex mutex_;
  std::condition_variable idle_;
  std::vector<std::shared_ptr<Group>> groups_;
  std::map<std::string, std::deque<std::shared_ptr<Waiter>>, std::less<>> waiting_;  // by topic
  std::size_t waiting_count_ = 0;
  std::size_t running_ = 0;  // handlers that were called and have not answered
  std::size_t next_executor_ = 0;
  bool closed_ = false;
};

struct InMemoryBroker::Core::Group {
  std::string topic;  // or a pattern
  std::string name;
  std::vector<std::shared_ptr<Subscriber>> subscribers;
  std::size_t next_subscriber = 0;
  std::deque<PendingPointer> queue;
  std::size_t messages = 0;  // in the queue, under way and to come again
  std::size_t bytes = 0;
  std::size_t in_flight = 0;
};

void InMemoryBroker::Core::finish(Finished finished) {
  for (auto& [done, result] : finished) done(std::move(result));
}

bool InMemoryBroker::Core::has_room(std::string_view topic, std::size_t bytes) const {
  return std::ranges::all_of(groups_, [&](const std::shared_ptr<Group>& group) {
    if (!matches(group->topic, topic)) return true;
    // A message above the limit is taken by an empty queue: it would wait for ever.
    return group->messages < options_.max_messages &&
           (group->messages == 0 || group->bytes + bytes <= options_.max_bytes);
  });
}

void InMemoryBroker::Core::publish(const CallContext& context, PublishRequest request, Completion<void> done) {
  std::unique_lock lock(mutex_);
  if (closed_) {
    lock.unlock();
    return done(fail(closed_error()));
  }
  const auto queue = waiting_.find(request.topic);
  const bool others_wait = queue != waiting_.end() && !queue->second.empty();
  if (!others_wait && has_room(request.topic, request.data->size())) {
    enqueue(std::move(request));
    lock.unlock();
    return done({});
  }
  if (waiting_count_ >= options_.max_waiting_publishers) {
    lock.unlock();
    return done(fail(Code::kResourceExhausted, "the subscribers of topic " + request.topic +
                                                   " are too slow: " + std::to_string(options_.max_waiting_publishers) +
                                                   " publishers wait for room already"));
  }
  wait_for_room(context, std::move(request), std::move(done));
}

void InMemoryBroker::Core::wait_for_room(const CallContext& context, PublishRequest request, Completion<void> done) {
  auto waiter = std::make_shared<Waiter>(std::move(request), std::move(done));
  waiting_[waiter->request.topic].push_back(waiter);
  ++waiting_count_;
  std::chrono::milliseconds patience = options_.max_wait;
  if (context.deadline != SteadyTime::max()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(context.deadline - std::chrono::steady_clock::now());
    patience = std::clamp(left, std::chrono::milliseconds(0), patience);
  }
  clock().post_after(patience, [self = weak_from_this(), waiter = std::weak_ptr(waiter)] {
    if (const auto core = self.lock()) core->give_up_waiting(waiter);
  });
}

void InMemoryBroker::Core::give_up_waiting(const std::weak_ptr<Waiter>& weak_waiter) {
  std::unique_lock lock(mutex_);
  const std::shared_ptr<Waiter> waiter = weak_waiter.lock();
  if (waiter == nullptr || !waiter->done) return;
  const auto queue = waiting_.find(waiter->request.topic);
  std::erase(queue->second, waiter);
  if (queue->second.empty()) waiting_.erase(queue);
  --waiting_count_;
  Completion<void> done = std::exchange(waiter->done, nullptr);
  lock.unlock();
  done(fail(Code::kDeadlineExceeded,
            "the subscribers of topic " + waiter->request.topic + " are too slow: no room for the message in time"));
}

void InMemoryBroker::Core::admit_waiting(Finished& finished) {
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    std::deque<std::shared_ptr<Waiter>>& queue = at->second;
    while (!queue.empty() && has_room(at->first, queue.front()->request.data->size())) {
      Waiter& waiter = *queue.front();
      enqueue(std::move(waiter.request));
      finished.emplace_back(std::exchange(waiter.done, nullptr), Result<void>());
      queue.pop_front();
      --waiting_count_;
    }
    at = queue.empty() ? waiting_.erase(at) : std::next(at);
  }
}

void InMemoryBroker::Core::enqueue(PublishRequest request) {
  for (const std::shared_ptr<Group>& group : groups_) {
    if (!matches(group->topic, request.topic)) continue;
    // As in Dapr, a subscriber sees the topic that it asked for.
    group->queue.push_back(
        std::make_shared<Pending>(Message{group->topic, request.data, request.content_type, request.metadata}));
    ++group->messages;
    group->bytes += request.data->size();
    start_deliveries(group);
  }
}

// The caller's own, so that nobody is woken, else one after the other.
TimedExecutor& InMemoryBroker::Core::nearest_executor() {
  const auto here = std::ranges::find_if(executors_, [](const auto* executor) { return executor->running_here(); });
  return here != executors_.end() ? **here : next_executor();
}

bool InMemoryBroker::Core::may_begin(const Group& group) const {
  return !closed_ && !group.queue.empty() && !group.subscribers.empty() &&
         group.in_flight < options_.max_concurrent_handlers;
}

InMemoryBroker::Core::Turn InMemoryBroker::Core::take(Group& group) {
  group.next_subscriber = (group.next_subscriber + 1) % group.subscribers.size();
  Turn turn{group.subscribers[group.next_subscriber], std::move(group.queue.front())};
  group.queue.pop_front();
  ++group.in_flight;
  return turn;
}

void InMemoryBroker::Core::start_deliveries(const std::shared_ptr<Group>& group) {
  while (may_begin(*group)) start_delivery(nearest_executor(), group);
}

void InMemoryBroker::Core::start_delivery(Executor& executor, const std::shared_ptr<Group>& group) {
  executor.post([self = weak_from_this(), group, turn = take(*group)]() mutable {
    if (const auto core = self.lock()) core->run_deliveries(group, std::move(turn));
  });
}

void InMemoryBroker::Core::run_deliveries(const std::shared_ptr<Group>& group, Turn turn) {
  for (int left = kTurn; left > 0; --left) {
    {
      std::lock_guard lock(mutex_);
      if (closed_ || !turn.subscriber->active) {
        // For somebody else in the group, if there is anybody.
        --group->in_flight;
        group->queue.push_front(std::move(turn.pending));
        return start_deliveries(group);
      }
      ++running_;
      ++turn.pending->tries;
    }
    const std::optional<Result<Verdict>> result = deliver(group, turn);
    if (!result) return;
    Finished finished;
    bool more = false;
    {
      std::lock_guard lock(mutex_);
      settle(group, std::move(turn.pending), *result, finished);
      more = left > 1 && may_begin(*group);
      if (more) {
        turn = take(*group);
      } else if (may_begin(*group)) {
        // So that a long queue is not one executor's alone.
        start_delivery(next_executor(), group);
      }
      start_deliveries(group);
      if (running_ == 0) idle_.notify_all();
    }
    finish(std::move(finished));
    if (!more) return;
  }
}

// The verdict, when it comes before the handler returns.
std::optional<Result<Verdict>> InMemoryBroker::Core::deliver(const std::shared_ptr<Group>& group, const Turn& turn) {
  std::optional<Result<Verdict>> verdict;
  const InPlaceScope scope;
  Message message = turn.pending->message;
  turn.subscriber->handler(std::move(message), [self = shared_from_this(), group, pending = turn.pending,
                                                token = scope.token(), &verdict](Result<Verdict> result) mutable {
    if (InPlaceScope::is_within(token)) {
      verdict = std::move(result);
    } else {
      self->end_delivery(group, std::move(pending), std::move(result));
    }
  });
  return verdict;
}

void InMemoryBroker::Core::end_delivery(const std::shared_ptr<Group>& group, PendingPointer pending,
                                        Result<Verdict> result) {
  Finished finished;
  {
    std::lock_guard lock(mutex_);
    settle(group, std::move(pending), result, finished);
    start_deliveries(group);
    if (running_ == 0) idle_.notify_all();
  }
  finish(std::move(finished));
}

// Under the mutex, as what it calls.
void InMemoryBroker::Core::settle(const std::shared_ptr<Group>& group, PendingPointer pending,
                                  const Result<Verdict>& result, Finished& finished) {
  --running_;
  --group->in_flight;
  const bool again = !result || *result == Verdict::kRetry;
  if (again && pending->tries < options_.max_tries && !closed_) {
    const int doublings = std::min(pending->tries - 1, 20);
    const std::chrono::milliseconds pause = std::min(options_.first_retry * (1 << doublings), options_.longest_retry);
    clock().post_after(pause, [self = weak_from_this(), group, pending = std::move(pending)]() mutable {
      const auto core = self.lock();
      if (core == nullptr) return;
      std::lock_guard relock(core->mutex_);
      group->queue.push_front(std::move(pending));
      core->start_deliveries(group);
    });
    return;
  }
  forget(*group, *pending);
  if (again && log_ != nullptr) {
    const std::string tries = std::to_string(pending->tries);
    log_->error(kScope, "message given up: the app did not take it",
                {{"topic", group->topic}, {"app", group->name}, {"tries", tries}});
  }
  admit_waiting(finished);
}

void InMemoryBroker::Core::forget(Group& group, const Pending& pending) {
  --group.messages;
  group.bytes -= pending.message.data->size();
}

Result<std::shared_ptr<InMemoryBroker::Core::Subscriber>> InMemoryBroker::Core::subscribe(const std::string& topic,
                                                                                          const std::string& name,
                                                                                          MessageHandler handler) {
  std::lock_guard lock(mutex_);
  if (closed_) return fail(closed_error());
  auto subscriber = std::make_shared<Subscriber>(std::move(handler));
  auto at =
      std::ranges::find_if(groups_, [&](const auto& group) { return group->topic == topic && group->name == name; });
  if (at == groups_.end()) {
    auto group = std::make_shared<Group>();
    group->topic = topic;
    group->name = name;
    at = groups_.insert(groups_.end(), std::move(group));
  }
  (*at)->subscribers.push_back(subscriber);
  return subscriber;
}

void InMemoryBroker::Core::unsubscribe(Subscriber& subscriber) {
  Finished finished;
  std::size_t lost = 0;
  {
    std::lock_guard lock(mutex_);
    subscriber.active = false;
    for (auto at = groups_.begin(); at != groups_.end(); ++at) {
      Group& group = **at;
      const auto removed =
          std::erase_if(group.subscribers, [&](const auto& other) { return other.get() == &subscriber; });
      if (removed == 0 || !group.subscribers.empty()) continue;
      // The last one: nobody is left to get the group's messages.
      lost = group.queue.size();
      group.queue.clear();
      groups_.erase(at);
      break;
    }
    admit_waiting(finished);
  }
  finish(std::move(finished));
  if (lost > 0 && log_ != nullptr) {
    const std::string count = std::to_string(lost);
    log_->warn(kScope, "messages dropped: their subscriber is gone", {{"messages", count}});
  }
}

void InMemoryBroker::Core::close(SteadyTime deadline) {
  Finished finished;
  std::unique_lock lock(mutex_);
  closed_ = true;
  for (auto& [topic, queue] : waiting_) {
    for (const std::shared_ptr<Waiter>& waiter : queue) {
      finished.emplace_back(std::exchange(waiter->done, nullptr), Result<void>(fail(closed_error())));
    }
  }
  waiting_.clear();
  waiting_count_ = 0;
  lock.unlock();
  finish(std::move(finished));
  lock.lock();
  idle_.wait_until(lock, deadline, [this] { return running_ == 0; });
}

// What a subscriber holds; its end is the end of the deliveries.
class InMemoryBroker::Handle final : public pubsub::Broker::Subscription {
 public:
  Handle(std::shared_ptr<Core> core, std::shared_ptr<Core::Subscriber> subscriber)
      : core_(std::move(core)), subscriber_(std::move(subscriber)) {}
  ~Handle() override { core_->unsubscribe(*subscriber_); }

 private:
  const std::shared_ptr<Core> core_;
  const std::shared_ptr<Core::Subscriber> subscriber_;
};

InMemoryBroker::InMemoryBroker(std::vector<TimedExecutor*> executors, Options options, const Logger* log)
    : core_(std::make_shared<Core>(std::move(executors), options, log)) {}

InMemoryBroker::~InMemoryBroker() { core_->close(std::chrono::steady_clock::now()); }

void InMemoryBroker::publish(const CallContext& context, PublishRequest request, Completion<void> done) {
  if (request.data == nullptr) request.data = share("");
  core_->publish(context, std::move(request), std::move(done));
}

Result<std::unique_ptr<pubsub::Broker::Subscription>> InMemoryBroker::subscribe(std::string topic,
                                                                                std::string consumer_group, Metadata,
                                                                                MessageHandler handler) {
  if (topic.empty()) return fail(Code::kInvalidArgument, "a subscription needs a topic");
  Result<std::shared_ptr<Core::Subscriber>> subscriber = core_->subscribe(topic, consumer_group, std::move(handler));
  if (!subscriber) return fail(std::move(subscriber.error()));
  return std::make_unique<Handle>(core_, std::move(*subscriber));
}

void InMemoryBroker::close(SteadyTime deadline) { core_->close(deadline); }

}  // namespace tandem::components
