// KafkaConsumer: one member of a consumer group: joins it for its topics, runs a PartitionFeed for each partition that
// the group gives it, and commits what their handlers have taken.
//
// Offsets are committed a moment after they can be, one commit at a time. When partitions are taken away (somebody
// joins or leaves, a topic is added, the end) nothing new begins, what is under way may end for a while, what was taken
// is committed, and only then are they let go: so another member gets again only what was not finished in time.
// Partitions that are lost already are let go at once.
//
// Owned by KafkaClient. open() and the destructor are for any thread but the worker's, the latter after abandon();
// everything else runs on the worker, which outlives it. open() fails as handle.h says; later nothing fails: librdkafka
// tries again for ever, and `warn` hears of it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/call_context.h"
#include "base/completion.h"
#include "components/kafka/handle.h"
#include "components/kafka/kafka_options.h"
#include "components/kafka/message_fields.h"
#include "components/kafka/partition_feed.h"
#include "components/kafka/queue_watch.h"
#include "net/worker.h"

namespace tandem::components::kafka {

class KafkaConsumer final : private PartitionFeed::Owner, public std::enable_shared_from_this<KafkaConsumer> {
 public:
  // Hears of problems, of a topic or of none, on the worker. The same words come once until they change.
  using Warn = std::function<void(const std::string& problem, const std::string& topic)>;

  static Result<std::shared_ptr<KafkaConsumer>> open(const KafkaOptions& options, const std::string& group,
                                                     std::shared_ptr<const MessageFields> fields, net::Worker& worker,
                                                     Warn warn);
  ~KafkaConsumer();

  void add(const std::string& topic, TopicHandler handler);
  // No delivery of it begins any more.
  void remove(const std::string& topic);
  // Leaves the group in order; `closed` runs on the worker once that is done.
  void close(Task closed);
  // Gives up what is under way and what close() waits for. Also on the closing thread when the worker has stopped.
  void abandon();

 private:
  using Key = std::pair<std::string, std::int32_t>;

  KafkaConsumer(RetryOptions retry, std::shared_ptr<const MessageFields> fields, net::Worker& worker, Warn warn,
                Client client);

  void start();
  void tick();
  void serve();
  void on_event(Event event);
  void resubscribe_soon();
  void resubscribe();

  void rebalance(rd_kafka_event_t* event);
  void assign(const rd_kafka_topic_partition_list_t& partitions);
  void begin_revoke();
  void go_on_revoking();
  void end_revoke();

  void commit_soon(std::chrono::milliseconds pause);
  // Whether one is under way now.
  bool commit();
  void committed(rd_kafka_event_t* event);

  void on_progress() override;
  void on_problem(const std::string& topic, const std::string& problem) override;
  void tell_closed();

  const RetryOptions retry_;
  const std::shared_ptr<const MessageFields> fields_;
  net::Worker& worker_;
  const Warn warn_;
  const Client client_;
  const Queue queue_;          // where everything comes that is no message
  const Queue closing_queue_;  // the same, while it closes
  std::unique_ptr<QueueWatch> watch_;
  std::unique_ptr<QueueWatch> closing_watch_;

  std::map<std::string, std::shared_ptr<const TopicHandler>> topics_;
  std::map<Key, std::shared_ptr<PartitionFeed>> feeds_;
  std::map<std::string, std::string> said_;  // by topic
  bool subscribe_planned_ = false;
  bool commit_planned_ = false;
  bool committing_ = false;
  bool commit_failed_ = false;  // the last one
  // Partitions are being taken away: until when deliveries may end, and what was taken may be committed.
  bool revoking_ = false;
  SteadyTime drain_until_;
  SteadyTime revoke_until_;
  bool closing_ = false;
  bool abandoned_ = false;
  Task closed_;
};

}  // namespace tandem::components::kafka
