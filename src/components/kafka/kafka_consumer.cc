#include "components/kafka/kafka_consumer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <vector>

namespace tandem::components::kafka {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTick{500};
constexpr milliseconds kSubscribePause{10};  // several topics join as one
constexpr milliseconds kCommitPause{100};
constexpr milliseconds kCommitAgain{500};
// How long deliveries may take to end when their partition goes, and a commit after that.
constexpr milliseconds kDrain{10'000};
constexpr milliseconds kLastCommit{5'000};
constexpr milliseconds kAbandon{1'000};
constexpr int kEventsATurn = 1'000;

SteadyTime now() { return std::chrono::steady_clock::now(); }

// What a member of a group hears in the middle of a rebalance, and what the producer says as well.
bool is_passing(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__NO_OFFSET:
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID: return true;
    default: return false;
  }
}

}  // namespace

Result<std::shared_ptr<KafkaConsumer>> KafkaConsumer::open(const KafkaOptions& options, const std::string& group,
                                                           std::shared_ptr<const MessageFields> fields,
                                                           net::Worker& worker, Warn warn) {
  Result<Client> client = make_consumer(options, group);
  if (!client) return fail(std::move(client.error()));
  std::shared_ptr<KafkaConsumer> consumer(
      new KafkaConsumer(options.retry, std::move(fields), worker, std::move(warn), std::move(*client)));
  consumer->start();
  return consumer;
}

KafkaConsumer::KafkaConsumer(RetryOptions retry, std::shared_ptr<const MessageFields> fields, net::Worker& worker,
                             Warn warn, Client client)
    : retry_(retry),
      fields_(std::move(fields)),
      worker_(worker),
      warn_(std::move(warn)),
      client_(std::move(client)),
      queue_(rd_kafka_queue_get_consumer(client_.get())),
      closing_queue_(rd_kafka_queue_new(client_.get())) {}

KafkaConsumer::~KafkaConsumer() { abandon(); }

void KafkaConsumer::start() {
  const auto serving = [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->serve();
  };
  watch_ = std::make_unique<QueueWatch>(queue_.get(), worker_, serving);
  closing_watch_ = std::make_unique<QueueWatch>(closing_queue_.get(), worker_, serving);
  worker_.post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->tick();
  });
}

void KafkaConsumer::tick() {
  if (abandoned_) return;
  // librdkafka takes a consumer that asks for nothing for too long out of its group.
  serve();
  worker_.post_after(kTick, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->tick();
  });
}

void KafkaConsumer::serve() {
  if (abandoned_) return;
  // The first forwards to the second while it closes.
  rd_kafka_queue_t* const queue = closing_ ? closing_queue_.get() : queue_.get();
  for (int i = 0; i < kEventsATurn; ++i) {
    Event event(rd_kafka_queue_poll(queue, 0));
    if (event == nullptr) {
      if (closing_ && rd_kafka_consumer_closed(client_.get()) == 1) tell_closed();
      return;
    }
    on_event(std::move(event));
    if (abandoned_) return;
  }
  (closing_ ? closing_watch_ : watch_)->wake();
}

void KafkaConsumer::on_event(Event event) {
  switch (rd_kafka_event_type(event.get())) {
    case RD_KAFKA_EVENT_REBALANCE: return rebalance(event.get());
    case RD_KAFKA_EVENT_OFFSET_COMMIT: return committed(event.get());
    case RD_KAFKA_EVENT_ERROR:
      if (is_passing(rd_kafka_event_error(event.get()))) return;
      return on_problem("", rd_kafka_event_error_string(event.get()));
    default: return;
  }
}

// --- topics ---

void KafkaConsumer::add(const std::string& topic, TopicHandler handler) {
  if (closing_ || abandoned_) return;
  topics_[topic] = std::make_shared<const TopicHandler>(std::move(handler));
  resubscribe_soon();
}

void KafkaConsumer::remove(const std::string& topic) {
  if (closing_ || abandoned_) return;
  topics_.erase(topic);
  for (const auto& [key, feed] : feeds_) {
    if (key.first == topic) feed->stop();
  }
  resubscribe_soon();
}

void KafkaConsumer::resubscribe_soon() {
  if (std::exchange(subscribe_planned_, true)) return;
  worker_.post_after(kSubscribePause, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->resubscribe();
  });
}

void KafkaConsumer::resubscribe() {
  subscribe_planned_ = false;
  if (closing_ || abandoned_) return;
  if (topics_.empty()) {
    rd_kafka_unsubscribe(client_.get());
    return;
  }
  const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(topics_.size())));
  for (const auto& [topic, handler] : topics_) {
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  }
  const rd_kafka_resp_err_t error = rd_kafka_subscribe(client_.get(), list.get());
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  on_problem("", fmt::format("the topics cannot be subscribed to: {}", rd_kafka_err2str(error)));
  resubscribe_soon();
}

// --- partitions that come and go ---

void KafkaConsumer::rebalance(rd_kafka_event_t* event) {
  if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    assign(*rd_kafka_event_topic_partition_list(event));
  } else {
    begin_revoke();
  }
}

void KafkaConsumer::assign(const rd_kafka_topic_partition_list_t& partitions) {
  const PartitionList list(rd_kafka_topic_partition_list_new(partitions.cnt));
  std::vector<std::shared_ptr<PartitionFeed>> fresh;
  for (int i = 0; i < partitions.cnt; ++i) {
    const rd_kafka_topic_partition_t& one = partitions.elems[i];
    const auto handler = topics_.find(one.topic);
    // A topic that was removed in the meantime: the next rebalance is under way.
    if (handler == topics_.end()) continue;
    Queue queue(rd_kafka_queue_get_partition(client_.get(), one.topic, one.partition));
    if (queue == nullptr) continue;
    rd_kafka_queue_forward(queue.get(), nullptr);
    rd_kafka_topic_partition_list_add(list.get(), one.topic, one.partition)->offset = one.offset;
    fresh.push_back(std::make_shared<PartitionFeed>(
        PartitionFeed::Surroundings{.worker = worker_, .retry = retry_, .fields = *fields_, .owner = *this},
        std::move(queue), one.topic, one.partition, handler->second));
  }
  if (const rd_kafka_resp_err_t error = rd_kafka_assign(client_.get(), list.get());
      error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    on_problem("", fmt::format("the partitions cannot be taken: {}", rd_kafka_err2str(error)));
  }
  for (std::shared_ptr<PartitionFeed>& feed : fresh) {
    feed->start();
    Key key(feed->topic(), feed->partition());
    feeds_.insert_or_assign(std::move(key), std::move(feed));
  }
}

void KafkaConsumer::begin_revoke() {
  const bool lost = rd_kafka_assignment_lost(client_.get()) == 1;
  for (const auto& [key, feed] : feeds_) feed->stop();
  revoking_ = true;
  if (lost) return end_revoke();
  drain_until_ = now() + kDrain;
  revoke_until_ = drain_until_ + kLastCommit;
  commit_failed_ = false;
  for (const milliseconds limit : {kDrain, kDrain + kLastCommit}) {
    worker_.post_after(limit + milliseconds(1), [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->go_on_revoking();
    });
  }
  go_on_revoking();
}

void KafkaConsumer::go_on_revoking() {
  if (!revoking_) return;
  const SteadyTime time = now();
  const bool busy = std::ranges::any_of(feeds_, [](const auto& entry) { return !entry.second->is_idle(); });
  if (busy && time < drain_until_) {
    if (!committing_ && !commit_failed_) commit();
    return;
  }
  if (time < revoke_until_ && (committing_ || (!commit_failed_ && commit()))) return;
  end_revoke();
}

void KafkaConsumer::end_revoke() {
  revoking_ = false;
  for (const auto& [key, feed] : feeds_) feed->abandon();
  feeds_.clear();
  rd_kafka_assign(client_.get(), nullptr);
}

// --- what was taken ---

void KafkaConsumer::on_progress() {
  if (revoking_) return go_on_revoking();
  commit_soon(kCommitPause);
}

void KafkaConsumer::commit_soon(milliseconds pause) {
  if (committing_ || std::exchange(commit_planned_, true)) return;
  worker_.post_after(pause, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->commit_planned_ = false;
    if (!self->abandoned_ && !self->revoking_ && !self->committing_) self->commit();
  });
}

bool KafkaConsumer::commit() {
  PartitionList list;
  for (const auto& [key, feed] : feeds_) {
    const std::optional<std::int64_t> offset = feed->to_commit();
    if (!offset) continue;
    if (list == nullptr) list.reset(rd_kafka_topic_partition_list_new(static_cast<int>(feeds_.size())));
    rd_kafka_topic_partition_list_add(list.get(), key.first.c_str(), key.second)->offset = *offset;
  }
  if (list == nullptr) return false;
  const rd_kafka_resp_err_t error = rd_kafka_commit_queue(client_.get(), list.get(), queue_.get(), nullptr, nullptr);
  committing_ = error == RD_KAFKA_RESP_ERR_NO_ERROR;
  return committing_;
}

void KafkaConsumer::committed(rd_kafka_event_t* event) {
  committing_ = false;
  rd_kafka_resp_err_t error = rd_kafka_event_error(event);
  if (const rd_kafka_topic_partition_list_t* const list = rd_kafka_event_topic_partition_list(event)) {
    for (int i = 0; i < list->cnt; ++i) {
      const rd_kafka_topic_partition_t& one = list->elems[i];
      if (one.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        error = one.err;
        continue;
      }
      const auto feed = feeds_.find(Key(one.topic, one.partition));
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR && feed != feeds_.end()) feed->second->committed(one.offset);
    }
  }
  commit_failed_ = error != RD_KAFKA_RESP_ERR_NO_ERROR;
  if (commit_failed_ && !is_passing(error)) {
    on_problem("", fmt::format("what was taken cannot be committed: {}", rd_kafka_err2str(error)));
  }
  if (revoking_) return go_on_revoking();
  commit_soon(commit_failed_ ? kCommitAgain : kCommitPause);
}

// --- problems, and the end ---

void KafkaConsumer::on_problem(const std::string& topic, const std::string& problem) {
  if (std::exchange(said_[topic], problem) == problem || !warn_) return;
  warn_(problem, topic);
}

void KafkaConsumer::close(Task closed) {
  if (abandoned_ || closing_) return closed();
  closed_ = std::move(closed);
  closing_ = true;
  topics_.clear();
  for (const auto& [key, feed] : feeds_) feed->stop();
  const ErrorObject error(rd_kafka_consumer_close_queue(client_.get(), closing_queue_.get()));
  if (error != nullptr) return tell_closed();
  closing_watch_->wake();
}

void KafkaConsumer::tell_closed() {
  if (closed_ != nullptr) std::exchange(closed_, nullptr)();
}

void KafkaConsumer::abandon() {
  if (std::exchange(abandoned_, true)) return;
  closed_ = nullptr;
  watch_.reset();
  closing_watch_.reset();
  end_revoke();
  // librdkafka's own end waits for answers to what it has asked here.
  rd_kafka_queue_t* const queue = closing_ ? closing_queue_.get() : queue_.get();
  const SteadyTime end = now() + kAbandon;
  while (now() < end) {
    const Event event(rd_kafka_queue_poll(queue, closing_ ? 10 : 0));
    if (event != nullptr && rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_REBALANCE) end_revoke();
    if (closing_ ? rd_kafka_consumer_closed(client_.get()) == 1 : event == nullptr) return;
  }
}

}  // namespace tandem::components::kafka
