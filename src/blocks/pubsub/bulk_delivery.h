// Messages of one subscription that go to the app together: gathered until there are enough of them or the first has
// waited long enough, delivered as one for each route, settled one by one.
//
// The subscription's broker handler shares it. Any thread; a batch is sent by the message that fills it, or on
// `timers`. How large a batch can become is also the broker's matter: one that gives out so many at a time gathers no
// more. Never fails: every end of a message is a Verdict. Source: daprd 1.18.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "blocks/pubsub/delivery.h"
#include "config/subscription.h"

namespace tandem::pubsub {

class BulkDelivering final : public std::enable_shared_from_this<BulkDelivering> {
 public:
  static constexpr std::size_t kDefaultMessages = 100;
  static constexpr std::chrono::milliseconds kDefaultWait{1'000};
  // What a subscription may ask for at most, and the bytes that are enough for a batch whatever it asks for.
  static constexpr std::size_t kMaxMessages = 10'000;
  static constexpr std::size_t kEnoughBytes = std::size_t{16} << 20;

  // `timers` outlives its last use. Numbers of `wanted` that are not above zero are the defaults.
  BulkDelivering(std::shared_ptr<const Delivering> delivering, const config::BulkSubscribe& wanted,
                 TimedExecutor& timers);

  // How many messages a batch has at most.
  std::size_t most() const { return most_; }
  void add(Message message, Completion<Verdict> done);
  // What waits goes now.
  void flush();

 private:
  struct Waiting {
    const std::string* route;  // of the delivering's
    BulkItem item;
    Message message;
    Completion<Verdict> done;
  };
  using Batch = std::vector<Waiting>;

  Batch take();  // with the mutex held
  void send(Batch batch);
  void send_to(const std::string& route, Batch batch);
  void settle_all(Batch& batch, const Result<std::vector<Verdict>>& verdicts) const;

  const std::shared_ptr<const Delivering> delivering_;
  const std::size_t most_;
  const std::chrono::milliseconds wait_;
  TimedExecutor& timers_;
  std::mutex mutex_;
  Batch waiting_;
  std::size_t bytes_ = 0;
  std::uint64_t number_ = 0;  // of the batch that is gathered
};

// Dapr's rule for an app's answer to a bulk, in the order of the items: a 2xx has a status for each entry id, and what
// has none is a retry; 404 drops all of them, anything else is a retry of all.
std::vector<Verdict> verdicts_of_bulk_response(int status, std::string_view body, const std::vector<BulkItem>& items);

// The bulk as Dapr sends it over HTTP.
std::string bulk_json(const BulkDelivery& delivery);

}  // namespace tandem::pubsub
