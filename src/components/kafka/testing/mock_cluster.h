// For tests: a cluster of brokers inside the process, librdkafka's own, and a component on it.
//
// It speaks Kafka's protocol over the loopback, topics are made when they are asked for, groups work, and everything is
// gone with it. A real broker is what the conformance suite and the end-to-end tests have.
#pragma once

#include <gtest/gtest.h>
#include <librdkafka/rdkafka_mock.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "components/kafka/handle.h"
#include "components/kafka/kafka_client.h"
#include "net/worker.h"

namespace tandem::components::kafka {

constexpr std::chrono::seconds kPatience{30};

class MockCluster final {
 public:
  MockCluster() {
    rd_kafka_conf_t* const settings = rd_kafka_conf_new();
    std::string why(512, '\0');
    rd_kafka_conf_set(settings, "client.id", "mock", why.data(), why.size());
    rd_kafka_conf_set_log_cb(settings, nullptr);
    owner_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, settings, why.data(), why.size()));
    cluster_ = rd_kafka_mock_cluster_new(owner_.get(), 1);
    EXPECT_NE(cluster_, nullptr);
  }
  ~MockCluster() { rd_kafka_mock_cluster_destroy(cluster_); }
  MockCluster(const MockCluster&) = delete;
  MockCluster& operator=(const MockCluster&) = delete;

  std::string brokers() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }
  void make_topic(const std::string& name, int partitions) {
    rd_kafka_mock_topic_create(cluster_, name.c_str(), partitions, 1);
  }
  void go_down() { rd_kafka_mock_broker_set_down(cluster_, 1); }
  void come_up() { rd_kafka_mock_broker_set_up(cluster_, 1); }
  // The next requests of this kind (Kafka's number of it) are answered with these errors.
  void answer_with(std::int16_t request, const std::vector<rd_kafka_resp_err_t>& errors) {
    rd_kafka_mock_push_request_errors_array(cluster_, request, errors.size(), errors.data());
  }

 private:
  Client owner_;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
};

// Notes what comes, and waits for it.
class Inbox final {
 public:
  void add(pubsub::Message message) {
    const std::lock_guard lock(mutex_);
    all_.push_back(std::move(message));
    news_.notify_all();
  }
  std::vector<pubsub::Message> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(news_.wait_for(lock, kPatience, [&] { return all_.size() >= count; }))
        << all_.size() << " of " << count << " came";
    return all_;
  }
  std::vector<std::string> wait_for_data(std::size_t count) {
    std::vector<std::string> data;
    for (const pubsub::Message& message : wait_for(count)) data.push_back(*message.data);
    return data;
  }
  std::set<std::string> wait_for_different(std::size_t count) {
    std::unique_lock lock(mutex_);
    const auto different = [&] {
      std::set<std::string> data;
      for (const pubsub::Message& message : all_) data.insert(*message.data);
      return data;
    };
    EXPECT_TRUE(news_.wait_for(lock, kPatience, [&] { return different().size() >= count; }))
        << different().size() << " of " << count << " came";
    return different();
  }
  std::size_t size() {
    const std::lock_guard lock(mutex_);
    return all_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable news_;
  std::vector<pubsub::Message> all_;
};

// What a test answers to a delivery.
using Answer = std::function<void(pubsub::Message, Completion<pubsub::Verdict>)>;

// A component on two workers of its own.
class KafkaProcess final {
 public:
  KafkaProcess(const std::string& brokers, KafkaOptions options) {
    workers_.start();
    options.brokers = brokers;
    options.oldest_first = true;
    options.session_timeout = std::chrono::milliseconds(6'000);
    options.heartbeat_interval = std::chrono::milliseconds(100);
    options.retry.duration = std::chrono::milliseconds(20);
    Result<std::unique_ptr<KafkaClient>> client = KafkaClient::open(
        std::move(options), workers_[1],
        [this](const std::string& problem, const std::string& topic) {
          const std::lock_guard lock(mutex_);
          problems_.push_back(topic + ": " + problem);
        },
        std::chrono::steady_clock::now() + std::chrono::seconds(10));
    EXPECT_TRUE(client.has_value()) << client.error().message;
    if (client) client_ = std::move(*client);
  }
  ~KafkaProcess() { close(); }

  Status publish(const std::string& topic, const std::string& data, Metadata metadata = {},
                 std::chrono::milliseconds limit = kPatience) {
    auto promise = std::make_shared<std::promise<Status>>();
    std::future<Status> answer = promise->get_future();
    CallContext context;
    context.deadline = std::chrono::steady_clock::now() + limit;
    client_->publish(context, topic, share(data), metadata,
                     [promise](Result<void> result) { promise->set_value(std::move(result)); });
    if (answer.wait_for(kPatience) != std::future_status::ready) return fail(Code::kUnknown, "nobody has answered");
    return answer.get();
  }
  void subscribe(const std::string& topic, const std::string& app, Answer answer, std::size_t window = 1) {
    auto subscription = client_->subscribe(app, {topic}, {.handler = std::move(answer), .window = window});
    ASSERT_TRUE(subscription.has_value()) << subscription.error().message;
    subscriptions_.push_back(std::move(*subscription));
  }
  // Takes everything.
  void listen(const std::string& topic, const std::string& app, Inbox& inbox) {
    subscribe(topic, app, [&inbox](pubsub::Message message, Completion<pubsub::Verdict> done) {
      inbox.add(std::move(message));
      done(pubsub::Verdict::kSuccess);
    });
  }
  void unsubscribe() { subscriptions_.clear(); }
  void close(std::chrono::milliseconds limit = kPatience) {
    unsubscribe();
    if (client_) client_->close(std::chrono::steady_clock::now() + limit);
    client_.reset();
    workers_.stop();
  }
  // As a crash would: what is under way stays as it is, and the group hears nothing.
  void crash() {
    workers_.stop();
    subscriptions_.clear();
    client_.reset();
  }
  KafkaClient& client() { return *client_; }
  std::vector<std::string> problems() {
    const std::lock_guard lock(mutex_);
    return problems_;
  }

 private:
  net::Workers workers_{2};
  std::mutex mutex_;
  std::vector<std::string> problems_;
  std::unique_ptr<KafkaClient> client_;
  std::vector<std::unique_ptr<KafkaClient::Subscription>> subscriptions_;
};

}  // namespace tandem::components::kafka
