// The transactional outbox: a store's transactions publish what they write, and lose no event between store and broker.
//
// As daprd 1.18 does it. A transaction on a store with an outbox gets, for each value that it writes, one key more
// ("outbox-<uuid>"), and an event of that id is sent to a topic of the host's own before the store is asked. Who reads
// that topic looks for the key: it is there when the transaction is done, and the event goes on to its topic and the
// key away; it is not there after 12 s, and the event is given back to the broker, or dropped where the component says
// so. So an event may come twice, as any event may.
//
// One object a process. set(), remove() and start() are the server's, in any order; takes() and prepare() are any
// thread's. What waits for a key stands on `timers`; stop() gives it back to the broker. Source:
// https://docs.dapr.io/developing-applications/building-blocks/state-management/howto-outbox/.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/log.h"
#include "blocks/pubsub/pubsub_service.h"
#include "blocks/state/state_service.h"
#include "blocks/state/transaction_outbox.h"
#include "config/component.h"

namespace tandem::outbox {

struct Settings {
  std::string publish_pubsub;
  std::string publish_topic;
  std::string own_pubsub;  // of the topic of the host's own
  bool discard_when_missing_state = false;

  // None: the component asks for no outbox.
  static std::optional<Settings> of(const config::Component& component);
};

class Outbox final : public state::TransactionOutbox {
 public:
  // `name_space` is the value of NAMESPACE; empty: "default". All of them outlive it but for the services' stop.
  Outbox(std::string name_space, state::StateService& state, pubsub::PubsubService& pubsub, TimedExecutor& timers,
         const Logger* log);
  ~Outbox() override;

  void set(const std::string& store, std::optional<Settings> settings);
  void remove(std::string_view store);
  // Reads the app's own topics of all stores, those that it does not read yet.
  void start(const std::string& app_id);
  // Gives back what waits. The subscriptions end with the pub/sub service's.
  void stop();

  bool takes(std::string_view store) const override;
  void prepare(const state::Caller& caller, std::string_view store, std::vector<state::Operation> operations,
               Completion<std::vector<state::Operation>> done) override;

 private:
  class Relay;
  struct Impl;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace tandem::outbox
