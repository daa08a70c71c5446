#include "components/pubsub/redis/stream_consumers.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>
#include <vector>

#include "components/pubsub/redis/stream_subscription.h"

namespace tandem::components {
namespace {

// Time for the worker to run what close() gives it.
constexpr std::chrono::seconds kCloseGrace{1};

}  // namespace

struct StreamConsumers::Core : std::enable_shared_from_this<StreamConsumers::Core> {
  explicit Core(std::shared_ptr<StreamSurroundings> surroundings) : surroundings(std::move(surroundings)) {}

  // All on the worker.
  void begin(std::shared_ptr<StreamSubscription> subscription) {
    if (surroundings->client == nullptr || closing) return;
    subscriptions.push_back(subscription);
    subscription->start();
  }
  void end(const std::shared_ptr<StreamSubscription>& subscription) {
    subscription->stop([core = weak_from_this(), raw = subscription.get()] {
      if (const auto self = core.lock()) self->forget(raw);
    });
  }
  void forget(const StreamSubscription* subscription) {
    // Perhaps inside one of its own functions: it goes when that has returned.
    const auto at = std::ranges::find_if(subscriptions, [&](const auto& one) { return one.get() == subscription; });
    if (at == subscriptions.end()) return;
    surroundings->worker.post([last = std::move(*at)] {});
    subscriptions.erase(at);
    tell_closed();
  }
  void end_all(std::promise<void> done) {
    closing = true;
    closed = std::move(done);
    waiting = true;
    const auto all = subscriptions;
    for (const auto& subscription : all) end(subscription);
    tell_closed();
  }
  void tell_closed() {
    if (waiting && subscriptions.empty()) {
      waiting = false;
      closed.set_value();
    }
  }
  void abandon() {
    closing = true;
    waiting = false;
    for (const auto& subscription : subscriptions) subscription->abandon();
    subscriptions.clear();
    surroundings->client = nullptr;
  }

  const std::shared_ptr<StreamSurroundings> surroundings;
  std::vector<std::shared_ptr<StreamSubscription>> subscriptions;
  bool closing = false;
  bool waiting = false;
  std::promise<void> closed;
};

StreamConsumers::StreamConsumers(net::Worker& worker, RedisStreamOptions options, std::shared_ptr<RedisClient> client,
                                 std::function<void(const std::string&, const std::string&)> warn)
    : core_(
          std::make_shared<Core>(std::make_shared<StreamSurroundings>(worker, std::move(options), std::move(client)))) {
  core_->surroundings->warn = std::move(warn);
}

std::shared_ptr<StreamSubscription> StreamConsumers::add(StreamGroup group, pubsub::MessageHandler handler) {
  auto subscription = std::make_shared<StreamSubscription>(core_->surroundings, std::move(group), std::move(handler));
  core_->surroundings->worker.post([core = core_, subscription] { core->begin(subscription); });
  return subscription;
}

void StreamConsumers::remove(const std::shared_ptr<StreamSubscription>& subscription) {
  core_->surroundings->worker.post([core = core_, subscription] { core->end(subscription); });
}

void StreamConsumers::close(SteadyTime deadline) {
  net::Worker& worker = core_->surroundings->worker;
  if (!worker.running()) return core_->abandon();
  std::promise<void> promise;
  std::future<void> closed = promise.get_future();
  worker.post([core = core_, promise = std::move(promise)]() mutable { core->end_all(std::move(promise)); });
  closed.wait_until(deadline);
  std::promise<void> over;
  std::future<void> abandoned = over.get_future();
  worker.post([core = core_, over = std::move(over)]() mutable {
    core->abandon();
    over.set_value();
  });
  abandoned.wait_until(std::max(deadline, std::chrono::steady_clock::now() + kCloseGrace));
}

}  // namespace tandem::components
