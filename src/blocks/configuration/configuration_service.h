// The configuration building block: every operation once, for all doors, and the updates on their way to apps.
//
// Looks up the store, checks the app's scope, calls the store, and keeps the subscriptions. One object a process, any
// thread, also while stores come and go (blocks/registry.h). Completions: as StateService
// (blocks/state/state_service.h). Source: https://docs.dapr.io/reference/api/configuration_api/.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "blocks/configuration/configuration_store.h"
#include "blocks/registry.h"
#include "blocks/state/state_service.h"

namespace tandem::configuration {

using state::Caller;

struct StoreEntry {
  std::string name;
  std::unique_ptr<Store> store;
  std::vector<std::string> scopes;  // app ids that may use it; empty: all
};

// One update on its way to a subscriber.
struct Update {
  std::string store;
  std::string id;  // of the subscription
  Items items;
};

// What an app wants to hear of from its start on. No keys: all.
struct Wish {
  std::string store;
  std::vector<std::string> keys;
  Metadata metadata;
};

// A subscriber: the app, or the stream of a gRPC client. Called on the executor of the subscription's caller.
class Listener {
 public:
  virtual ~Listener() = default;
  // One at a time: the next one comes after `done`, which may run on any thread.
  virtual void deliver(Update update, Completion<void> done) = 0;
  // No more comes: the subscription was ended, or the process stops.
  virtual void ended() {}
};

class ConfigurationService final {
 public:
  // Of the whole process; each of them holds up to kMaxPending changes for a subscriber that is slow.
  static constexpr std::size_t kMaxSubscriptions = 10'000;
  static constexpr std::size_t kMaxPending = 10'000;

  // `log`, when given, outlives the service and hears of updates that a subscriber did not take.
  explicit ConfigurationService(const Logger* log = nullptr) : log_(log) {}
  ~ConfigurationService();

  Status add(StoreEntry entry);
  // As StateService's. Subscriptions go on with the store that takes the place of theirs, under their ids; those of a
  // store that is removed end.
  void put(StoreEntry entry);
  void remove_store(std::string_view name);
  bool sweep(SteadyTime deadline);

  // All fail with Dapr's reasons, codes and messages:
  //   ERR_CONFIGURATION_STORE_NOT_CONFIGURED  kFailedPrecondition  the app may use no store at all
  //   ERR_CONFIGURATION_STORE_NOT_FOUND       kInvalidArgument     unknown store, or out of the app's scope
  // and get() with ERR_CONFIGURATION_GET (kInternal), subscribe() with ERR_CONFIGURATION_SUBSCRIBE (kInvalidArgument)
  // for a failure of the store. No keys: all of them.
  void get(Caller caller, std::string_view store, std::vector<std::string> keys, Metadata metadata,
           Completion<Items> done);
  // Completes with the id of the subscription, always before its first update. The caller's executor outlives it.
  void subscribe(Caller caller, std::string_view store, std::vector<std::string> keys, Metadata metadata,
                 std::shared_ptr<Listener> listener, Completion<std::string> done);
  // Only an app's own subscriptions; kNotFound for others. An empty `store` stands for any.
  void unsubscribe(Caller caller, std::string_view store, std::string id, Completion<void> done);
  // Whether the app may use the store: the errors above.
  Status check_store(std::string_view store, std::string_view app_id) const;

  // Every subscription ends, and there are no new ones.
  void stop_subscriptions();
  void close(SteadyTime deadline);

 private:
  class Subscription;

  using Pinned = Registry<StoreEntry>::Pin;

  // The store, or the error in `error` and none.
  Pinned find(std::string_view name, std::string_view app_id, Error& error) const;
  void drop(Subscription& subscription, std::string_view why);
  // Whether no other store has taken its place. One that was removed has none.
  bool is_current(const Pinned& entry) const;

  const Logger* const log_;
  Registry<StoreEntry> stores_;
  std::mutex mutex_;  // of what follows
  bool stopped_ = false;
  std::map<std::string, std::shared_ptr<Subscription>, std::less<>> subscriptions_;  // by id
};

}  // namespace tandem::configuration
