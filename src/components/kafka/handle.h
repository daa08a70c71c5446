// librdkafka's objects with owners, and its settings out of KafkaOptions.
//
// A Client has threads of librdkafka's own: one, and one a broker of the cluster. They never run code of ours but
// QueueWatch's (queue_watch.h). Destroying a Client ends them and may take some milliseconds; a consumer leaves its
// group only when it was closed before. Any thread. Fails with kInvalidArgument and librdkafka's words.
#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>
#include <string>

#include "base/result.h"
#include "components/kafka/kafka_options.h"

namespace tandem::components::kafka {

struct Deleter {
  void operator()(rd_kafka_t* client) const { rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); }
  void operator()(rd_kafka_conf_t* settings) const { rd_kafka_conf_destroy(settings); }
  void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
  void operator()(rd_kafka_event_t* event) const { rd_kafka_event_destroy(event); }
  void operator()(rd_kafka_topic_partition_list_t* list) const { rd_kafka_topic_partition_list_destroy(list); }
  void operator()(rd_kafka_headers_t* headers) const { rd_kafka_headers_destroy(headers); }
  void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
  void operator()(const rd_kafka_metadata_t* known) const { rd_kafka_metadata_destroy(known); }
  void operator()(rd_kafka_error_t* error) const { rd_kafka_error_destroy(error); }
};
using Client = std::unique_ptr<rd_kafka_t, Deleter>;
using Queue = std::unique_ptr<rd_kafka_queue_t, Deleter>;
using Event = std::unique_ptr<rd_kafka_event_t, Deleter>;
using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t, Deleter>;
using Headers = std::unique_ptr<rd_kafka_headers_t, Deleter>;
using Topic = std::unique_ptr<rd_kafka_topic_t, Deleter>;
using Known = std::unique_ptr<const rd_kafka_metadata_t, Deleter>;
using ErrorObject = std::unique_ptr<rd_kafka_error_t, Deleter>;

Result<Client> make_producer(const KafkaOptions& options);
Result<Client> make_consumer(const KafkaOptions& options, const std::string& group);

// How long a message may take to its acknowledgement, tries after a broker's end included.
constexpr std::chrono::milliseconds kDeliveryTimeout{15'000};

// What went wrong, as one of ours. `detail` is what is known besides; empty: nothing.
Error kafka_error(rd_kafka_resp_err_t error, const std::string& detail);

}  // namespace tandem::components::kafka
