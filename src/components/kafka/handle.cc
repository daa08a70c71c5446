#include "components/kafka/handle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

namespace tandem::components::kafka {
namespace {

using Settings = std::unique_ptr<rd_kafka_conf_t, Deleter>;
using Setting = std::pair<const char*, std::string>;
using Text = std::array<char, 512>;

// A topic that is made after its subscription is found so soon.
constexpr std::chrono::milliseconds kLookForTopics{3'000};
// A partition's messages that are read ahead; one that is larger is read all the same.
// It looks again only a second after it had enough, so enough is more than an app takes in that time.
constexpr std::size_t kBufferedMessages = 20'000;
constexpr const char* kBufferedKilobytes = "8192";
constexpr std::int64_t kProtocolBytes = 512 * 1024;  // of an answer, besides its messages
constexpr std::int64_t kLeastAnswer = 16 * 1024 * 1024;

std::string text_of(std::chrono::milliseconds time) { return std::to_string(time.count()); }

std::string security_protocol(const KafkaOptions& options) {
  if (options.sasl_mechanism.empty()) return options.tls ? "ssl" : "plaintext";
  return options.tls ? "sasl_ssl" : "sasl_plaintext";
}

std::vector<Setting> common_settings(const KafkaOptions& options) {
  std::vector<Setting> settings = {
      {"bootstrap.servers", options.brokers},
      {"client.id", options.client_id},
      {"security.protocol", security_protocol(options)},
      {"allow.auto.create.topics", "true"},
      {"socket.keepalive.enable", "true"},
      {"socket.nagle.disable", "true"},
      {"socket.connection.setup.timeout.ms", "5000"},
      {"reconnect.backoff.ms", "50"},
      {"reconnect.backoff.max.ms", "1000"},
      // What is said there is said by events, too.
      {"log_level", "0"},
  };
  if (options.tls) {
    if (!options.ca_cert.empty()) settings.emplace_back("ssl.ca.pem", options.ca_cert);
    if (!options.client_cert.empty()) {
      settings.emplace_back("ssl.certificate.pem", options.client_cert);
      settings.emplace_back("ssl.key.pem", options.client_key);
    }
    if (options.skip_verify) settings.emplace_back("enable.ssl.certificate.verification", "false");
    settings.emplace_back("ssl.endpoint.identification.algorithm", options.skip_verify ? "none" : "https");
  }
  if (!options.sasl_mechanism.empty()) {
    settings.emplace_back("sasl.mechanism", options.sasl_mechanism);
    settings.emplace_back("sasl.username", options.sasl_username);
    settings.emplace_back("sasl.password", options.sasl_password);
  }
  return settings;
}

Result<Client> make_client(rd_kafka_type_t type, const std::vector<Setting>& all, int events) {
  Settings settings(rd_kafka_conf_new());
  Text why{};
  for (const auto& [key, value] : all) {
    if (rd_kafka_conf_set(settings.get(), key, value.c_str(), why.data(), why.size()) != RD_KAFKA_CONF_OK) {
      return fail(Code::kInvalidArgument, fmt::format("kafka: {}", why.data()));
    }
  }
  rd_kafka_conf_set_log_cb(settings.get(), nullptr);
  rd_kafka_conf_set_events(settings.get(), events);
  Client client(rd_kafka_new(type, settings.get(), why.data(), why.size()));
  if (client == nullptr) return fail(Code::kInvalidArgument, fmt::format("kafka: {}", why.data()));
  (void)settings.release();  // the client's now
  return client;
}

}  // namespace

Result<Client> make_producer(const KafkaOptions& options) {
  std::vector<Setting> settings = common_settings(options);
  settings.insert(settings.end(),
                  {{"acks", "all"},
                   {"compression.codec", options.compression},
                   {"message.max.bytes", std::to_string(std::max<std::int64_t>(options.max_message_bytes, 1'000))},
                   {"message.timeout.ms", text_of(kDeliveryTimeout)},
                   {"linger.ms", "0"},
                   {"retry.backoff.ms", "100"},
                   {"max.in.flight.requests.per.connection", "5"},
                   {"queue.buffering.max.kbytes", "131072"},
                   // As daprd's client does: one key, one partition, whoever publishes.
                   {"partitioner", "fnv1a_random"}});
  return make_client(RD_KAFKA_PRODUCER, settings, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
}

Result<Client> make_consumer(const KafkaOptions& options, const std::string& group) {
  const std::int64_t answer =
      std::max(kLeastAnswer, std::max(options.fetch_bytes, options.max_message_bytes) + kProtocolBytes);
  std::vector<Setting> settings = common_settings(options);
  settings.insert(
      settings.end(),
      {{"group.id", group},
       {"topic.metadata.refresh.interval.ms", text_of(std::min(options.metadata_refresh, kLookForTopics))},
       {"enable.auto.commit", "false"},
       {"enable.auto.offset.store", "false"},
       {"auto.offset.reset", options.oldest_first ? "earliest" : "latest"},
       {"isolation.level", "read_uncommitted"},
       {"partition.assignment.strategy", options.rebalance_strategy},
       {"session.timeout.ms", text_of(options.session_timeout)},
       {"heartbeat.interval.ms", text_of(options.heartbeat_interval)},
       {"max.poll.interval.ms", text_of(std::max(options.session_timeout, std::chrono::milliseconds(300'000)))},
       {"fetch.min.bytes", std::to_string(options.fetch_min_bytes)},
       {"fetch.message.max.bytes", std::to_string(options.fetch_bytes)},
       {"fetch.max.bytes", std::to_string(std::min(answer - kProtocolBytes, std::int64_t{2'000'000'000}))},
       {"receive.message.max.bytes", std::to_string(answer)},
       {"fetch.error.backoff.ms", "100"},
       {"queued.min.messages", std::to_string(std::max(options.buffered_messages, kBufferedMessages))},
       {"queued.max.messages.kbytes", kBufferedKilobytes}});
  Result<Client> client = make_client(
      RD_KAFKA_CONSUMER, settings,
      RD_KAFKA_EVENT_FETCH | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT);
  if (client) rd_kafka_poll_set_consumer(client->get());
  return client;
}

Error kafka_error(rd_kafka_resp_err_t error, const std::string& detail) {
  const auto code = [&] {
    switch (error) {
      case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
      case RD_KAFKA_RESP_ERR__TIMED_OUT:
      case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT: return Code::kDeadlineExceeded;
      case RD_KAFKA_RESP_ERR__QUEUE_FULL: return Code::kResourceExhausted;
      case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
      case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
      case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
      case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION: return Code::kInvalidArgument;
      case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
      case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART: return Code::kNotFound;
      case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
      case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED: return Code::kPermissionDenied;
      case RD_KAFKA_RESP_ERR__AUTHENTICATION:
      case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED: return Code::kUnauthenticated;
      case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
      case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT: return Code::kCancelled;
      default: return Code::kUnavailable;
    }
  }();
  const std::string words = rd_kafka_err2str(error);
  return make_error(code,
                    detail.empty() ? fmt::format("kafka: {}", words) : fmt::format("kafka: {} ({})", words, detail));
}

}  // namespace tandem::components::kafka
