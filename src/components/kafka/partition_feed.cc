#include "components/kafka/partition_feed.h"

#include <fmt/format.h>

#include <utility>

namespace tandem::components::kafka {
namespace {

using pubsub::Message;
using pubsub::Verdict;

// A record without a value, as daprd shows it.
constexpr const char* kNoValue = "null";

}  // namespace

PartitionFeed::PartitionFeed(Surroundings surroundings, Queue queue, std::string topic, std::int32_t partition,
                             std::shared_ptr<const TopicHandler> handler)
    : surroundings_(surroundings),
      topic_(std::move(topic)),
      partition_(partition),
      handler_(std::move(handler)),
      queue_(std::move(queue)) {}

void PartitionFeed::start() {
  watch_ = std::make_unique<QueueWatch>(queue_.get(), surroundings_.worker, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->pump();
  });
  watch_->wake();
}

void PartitionFeed::stop() { watch_.reset(); }

void PartitionFeed::abandon() {
  stop();
  abandoned_ = true;
}

void PartitionFeed::pump() {
  while (watch_ != nullptr && held_.size() < handler_->window) {
    Event event(rd_kafka_queue_poll(queue_.get(), 0));
    if (event == nullptr) return;
    take(std::move(event));
  }
}

void PartitionFeed::take(Event event) {
  if (rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_ERROR) {
    surroundings_.owner.on_problem(topic_, rd_kafka_event_error_string(event.get()));
    return;
  }
  const rd_kafka_message_t* const message = rd_kafka_event_message_next(event.get());
  if (message == nullptr) return;
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    surroundings_.owner.on_problem(topic_, rd_kafka_message_errstr(message));
    return;
  }
  const std::int64_t offset = message->offset;
  tracker_.begin(offset);
  held_.insert_or_assign(offset, Held{.event = std::move(event), .message = message});
  hand_over(offset);
}

void PartitionFeed::hand_over(std::int64_t offset) {
  const rd_kafka_message_t& message = *held_.at(offset).message;
  Message event{
      .topic = topic_,
      .data = share(message.payload == nullptr ? kNoValue
                                               : std::string(static_cast<const char*>(message.payload), message.len)),
      .metadata = surroundings_.fields.incoming(message)};
  ++under_way_;
  handler_->handler(std::move(event),
                    [weak = weak_from_this(), &worker = surroundings_.worker, offset](Result<Verdict> verdict) {
                      worker.post([weak, offset, verdict = std::move(verdict)] {
                        if (const auto self = weak.lock()) self->ended(offset, verdict);
                      });
                    });
}

void PartitionFeed::ended(std::int64_t offset, const Result<Verdict>& verdict) {
  --under_way_;
  if (abandoned_) return;
  if (verdict && *verdict != Verdict::kRetry) {
    tracker_.taken(offset);
    held_.erase(offset);
  } else {
    refused(offset);
  }
  pump();
  surroundings_.owner.on_progress();
}

void PartitionFeed::refused(std::int64_t offset) {
  if (watch_ == nullptr) return;
  const auto delay = held_.at(offset).delay.next(surroundings_.retry, std::chrono::steady_clock::now());
  if (!delay) {
    surroundings_.owner.on_problem(
        topic_, fmt::format("the message at offset {} of partition {} is given up: the app has not taken it", offset,
                            partition_));
    tracker_.passed_over(offset);
    held_.erase(offset);
    return;
  }
  surroundings_.worker.post_after(*delay, [weak = weak_from_this(), offset] {
    const auto self = weak.lock();
    if (self != nullptr && self->watch_ != nullptr) self->hand_over(offset);
  });
}

}  // namespace tandem::components::kafka
