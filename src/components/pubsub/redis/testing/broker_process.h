// For tests: a pubsub.redis as a process of its own would have it, and what comes out of it.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "components/pubsub/redis/redis_broker.h"
#include "components/redis/testing/other_client.h"
#include "net/worker.h"

namespace tandem::components {

// Notes what comes, and waits for it.
class Inbox final {
 public:
  void add(std::string data) {
    const std::lock_guard lock(mutex_);
    all_.push_back(std::move(data));
    news_.notify_all();
  }
  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(news_.wait_for(lock, std::chrono::seconds(20), [&] { return all_.size() >= count; }))
        << all_.size() << " of " << count << " came";
    return all_;
  }
  std::set<std::string> wait_for_different(std::size_t count) {
    std::unique_lock lock(mutex_);
    const auto different = [&] { return std::set<std::string>(all_.begin(), all_.end()); };
    EXPECT_TRUE(news_.wait_for(lock, std::chrono::seconds(20), [&] { return different().size() >= count; }))
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
  std::vector<std::string> all_;
};

template <class Condition>
inline testing::AssertionResult becomes_true(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return testing::AssertionFailure() << "not in twenty seconds";
    std::this_thread::yield();
  }
  return testing::AssertionSuccess();
}

// A component on two workers of its own.
class BrokerProcess final {
 public:
  BrokerProcess(std::uint16_t port, RedisStreamOptions options) : BrokerProcess(server_at(port), std::move(options)) {}
  BrokerProcess(RedisOptions server, RedisStreamOptions options) {
    workers_.start();
    options.redis = std::move(server);
    options.redis.max_retry_interval = std::chrono::milliseconds(20);
    Result<std::unique_ptr<RedisBroker>> broker = RedisBroker::open(
        std::move(options), workers_, 1,
        [this](const std::string& problem, const std::string& topic) { problems.add(topic + ": " + problem); },
        std::chrono::steady_clock::now() + std::chrono::seconds(5));
    EXPECT_TRUE(broker.has_value()) << broker.error().message;
    if (broker) broker_ = std::move(*broker);
  }
  ~BrokerProcess() { close(); }

  Status publish(const std::string& topic, const std::string& data, Metadata metadata = {}) {
    auto promise = std::make_shared<std::promise<Status>>();
    std::future<Status> answer = promise->get_future();
    broker_->publish(context_, {.topic = topic, .data = share(data), .metadata = std::move(metadata)},
                     [promise](Result<void> result) { promise->set_value(std::move(result)); });
    if (answer.wait_for(std::chrono::seconds(20)) != std::future_status::ready)
      return fail(Code::kUnknown, "nobody has answered");
    return answer.get();
  }
  void subscribe(const std::string& topic, const std::string& group, pubsub::MessageHandler handler) {
    auto subscription = broker_->subscribe(topic, group, {}, std::move(handler));
    EXPECT_TRUE(subscription.has_value());
    subscriptions_.push_back(std::move(*subscription));
  }
  // Takes everything.
  void listen(const std::string& topic, const std::string& group, Inbox& inbox) {
    subscribe(topic, group, [&inbox](pubsub::Message message, Completion<pubsub::Verdict> done) {
      inbox.add(*message.data);
      done(pubsub::Verdict::kSuccess);
    });
  }
  void unsubscribe() { subscriptions_.clear(); }
  void close(std::chrono::milliseconds limit = std::chrono::milliseconds(20'000)) {
    unsubscribe();
    if (broker_) broker_->close(std::chrono::steady_clock::now() + limit);
    broker_.reset();
    workers_.stop();
  }
  // As a crash would: what is under way stays as it is.
  void crash() {
    workers_.stop();
    subscriptions_.clear();
    broker_.reset();
  }

  Inbox problems;

 private:
  net::Workers workers_{2};
  CallContext context_;
  std::unique_ptr<RedisBroker> broker_;
  std::vector<std::unique_ptr<pubsub::Broker::Subscription>> subscriptions_;
};

}  // namespace tandem::components
