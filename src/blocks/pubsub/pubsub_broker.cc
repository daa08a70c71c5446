#include "blocks/pubsub/pubsub_broker.h"

#include <atomic>
#include <memory>
#include <utility>

namespace tandem::pubsub {
namespace {

// What became of the messages that were published one by one. Each completion writes its own place.
class Gathering final {
 public:
  Gathering(std::size_t count, Completion<std::vector<Status>> done)
      : outcomes_(count), left_(count + 1), done_(std::move(done)) {}

  void set(std::size_t index, Status outcome) {
    outcomes_[index] = std::move(outcome);
    release();
  }
  // One of the count + 1 that are waited for: the messages, and the call that publishes them.
  void release() {
    if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) done_(std::move(outcomes_));
  }

 private:
  std::vector<Status> outcomes_;
  std::atomic<std::size_t> left_;
  Completion<std::vector<Status>> done_;
};

}  // namespace

void Broker::publish_bulk(const CallContext& context, std::vector<PublishRequest> requests,
                          Completion<std::vector<Status>> done) {
  const auto gathering = std::make_shared<Gathering>(requests.size(), std::move(done));
  for (std::size_t i = 0; i < requests.size(); ++i) {
    publish(context, std::move(requests[i]),
            [gathering, i](Result<void> outcome) { gathering->set(i, std::move(outcome)); });
  }
  gathering->release();
}

}  // namespace tandem::pubsub
