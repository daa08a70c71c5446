#include "service_pubsub.h"

#include <chrono>
#include <future>
#include <mutex>
#include <utility>

#include "arrivals.h"
#include "broker_under_test.h"

namespace tandem::conformance {
namespace {

using pubsub::Verdict;

class ServiceApp final : public PubsubApp, private pubsub::EventSink {
 public:
  ServiceApp(pubsub::PubsubService& service, std::string app_id, std::vector<Verdict> verdicts)
      : service_(service), verdicts_(std::move(verdicts)) {
    context_.app_id = std::move(app_id);
  }

  Result<void> publish(Event event) override {
    return wait<void>([&](auto done) {
      service_.publish(caller(),
                       {.pubsub = std::move(event.pubsub),
                        .topic = std::move(event.topic),
                        .data = event.data,
                        .content_type = std::move(event.content_type),
                        .metadata = std::move(event.metadata)},
                       std::move(done));
    });
  }
  Result<std::vector<std::string>> publish_many(std::string pubsub, std::string topic, std::vector<BulkEvent> events,
                                                Metadata metadata) override {
    std::vector<pubsub::BulkEntry> entries;
    for (const BulkEvent& event : events) {
      entries.push_back({event.entry_id, event.data, event.content_type, event.metadata});
    }
    using Failures = std::vector<pubsub::BulkPublishFailure>;
    Result<Failures> failures = wait<Failures>([&](auto done) {
      service_.publish_bulk(caller(), std::move(pubsub), std::move(topic), std::move(entries), std::move(metadata),
                            std::move(done));
    });
    if (!failures) return fail(std::move(failures.error()));
    std::vector<std::string> failed;
    for (pubsub::BulkPublishFailure& failure : *failures) failed.push_back(std::move(failure.entry_id));
    return failed;
  }
  Status subscribe(config::Subscription subscription) override {
    return service_.subscribe(context_.app_id, std::move(subscription), *this);
  }
  std::vector<Received> wait_for(std::size_t count) override {
    arrivals_.wait_for(count);
    const std::lock_guard lock(mutex_);
    return received_;
  }

 private:
  void deliver(pubsub::Delivery delivery, Completion<Verdict> done) override {
    Verdict verdict = Verdict::kSuccess;
    {
      const std::lock_guard lock(mutex_);
      if (received_.size() < verdicts_.size()) verdict = verdicts_[received_.size()];
      received_.push_back(
          {std::move(delivery.route), std::move(delivery.pubsub), std::move(delivery.content_type), *delivery.body});
    }
    arrivals_.one_more();
    done(verdict);
  }

  pubsub::Caller caller() { return {context_, loop_}; }

  template <class T, class Call>
  Result<T> wait(Call call) {
    auto promise = std::make_shared<std::promise<Result<T>>>();
    std::future<Result<T>> future = promise->get_future();
    call(Completion<T>([promise](Result<T> result) { promise->set_value(std::move(result)); }));
    if (future.wait_for(std::chrono::seconds(20)) != std::future_status::ready) {
      return fail(Code::kDeadlineExceeded, "the broker has not answered");
    }
    return future.get();
  }

  pubsub::PubsubService& service_;
  const std::vector<Verdict> verdicts_;
  CallContext context_;
  ThreadLoop loop_;
  Arrivals arrivals_;
  std::mutex mutex_;
  std::vector<Received> received_;
};

class ServicePubsub final : public PubsubDriver {
 public:
  explicit ServicePubsub(std::unique_ptr<BrokerUnderTest> broker) : broker_(std::move(broker)) {}

  const std::string& name() const override { return broker_->name(); }
  PubsubApp& app(std::string app_id, std::vector<Verdict> verdicts) override {
    return *apps_.emplace_back(
        std::make_unique<ServiceApp>(broker_->service(), std::move(app_id), std::move(verdicts)));
  }
  void stop_subscriptions() override { broker_->service().stop_subscriptions(); }

 private:
  std::vector<std::unique_ptr<ServiceApp>> apps_;
  const std::unique_ptr<BrokerUnderTest> broker_;  // ends before the apps
};

}  // namespace

std::unique_ptr<PubsubDriver> make_service_pubsub(const std::string& folder) {
  std::unique_ptr<BrokerUnderTest> broker = BrokerUnderTest::make(folder);
  return broker ? std::make_unique<ServicePubsub>(std::move(broker)) : nullptr;
}

}  // namespace tandem::conformance
