#include "blocks/configuration/configuration_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "base/uuid.h"
#include "blocks/late_completion.h"

namespace tandem::configuration {
namespace {

constexpr std::string_view kScope = "tandem.configuration";

bool visible(const StoreEntry& entry, std::string_view app_id) {
  return entry.scopes.empty() || std::ranges::find(entry.scopes, app_id) != entry.scopes.end();
}

// As Go prints a list of texts: "[a b]".
std::string list_of(const std::vector<std::string>& keys) { return fmt::format("[{}]", fmt::join(keys, " ")); }

}  // namespace

// What has changed and is not delivered yet. Everything but changed() and end() runs on the executor of its caller, so
// there are no locks.
class ConfigurationService::Subscription final : public Watcher, public std::enable_shared_from_this<Subscription> {
 public:
  Subscription(std::string app_id, std::string store, SubscribeRequest request, Executor& home,
               std::shared_ptr<Listener> listener, const Logger* log)
      : app_id_(std::move(app_id)),
        store_(std::move(store)),
        request_(std::move(request)),
        home_(home),
        listener_(std::move(listener)),
        log_(log) {}

  const std::string& app_id() const { return app_id_; }
  const std::string& store() const { return store_; }
  // What it asks a store for.
  const SubscribeRequest& request() const { return request_; }

  void changed(Items items) override {
    home_.post([self = shared_from_this(), items = std::move(items)]() mutable { self->take(std::move(items)); });
  }
  void warn(const std::string& text) const {
    if (log_ != nullptr)
      log_->for_app(app_id_).warn(kScope, text, {{"component", store_}, {"subscription", request_.id}});
  }
  // Its id was told: updates may go.
  void start() {
    started_ = true;
    deliver_next();
  }
  void end() {
    home_.post([self = shared_from_this()] {
      if (std::exchange(self->ended_, true)) return;
      self->pending_.clear();
      self->order_.clear();
      self->listener_->ended();
    });
  }

 private:
  // A key that changes again before it was delivered is delivered once, as it is then.
  void take(Items items) {
    if (ended_) return;
    for (auto& [key, item] : items) {
      if (const auto waiting = pending_.find(key); waiting != pending_.end()) {
        waiting->second = std::move(item);
      } else if (order_.size() < kMaxPending) {
        order_.push_back(key);
        pending_.emplace(key, std::move(item));
      } else {
        warn(fmt::format("a change of {} is lost: {} others wait for the subscriber", key, kMaxPending));
      }
    }
    deliver_next();
  }

  void deliver_next() {
    if (!started_ || ended_ || delivering_ || order_.empty()) return;
    delivering_ = true;
    auto item = pending_.extract(order_.front());
    order_.pop_front();
    Update update{.store = store_, .id = request_.id};
    update.items.insert(std::move(item));
    listener_->deliver(std::move(update), [self = shared_from_this()](Result<void> result) {
      // Never in place: a subscriber that takes everything at once would nest these calls.
      self->home_.post([self, result = std::move(result)] {
        if (!result && !self->ended_)
          self->warn(fmt::format("an update did not reach the subscriber: {}", result.error().message));
        self->delivering_ = false;
        self->deliver_next();
      });
    });
  }

  const std::string app_id_;
  const std::string store_;
  const SubscribeRequest request_;
  Executor& home_;
  const std::shared_ptr<Listener> listener_;
  const Logger* const log_;
  bool started_ = false;
  bool delivering_ = false;
  bool ended_ = false;
  std::deque<std::string> order_;  // of the keys of pending_
  Items pending_;
};

ConfigurationService::~ConfigurationService() = default;

Status ConfigurationService::add(StoreEntry entry) {
  if (entry.name.empty() || entry.store == nullptr) {
    return fail(Code::kInvalidArgument, "a configuration store needs a name");
  }
  std::string name = entry.name;
  if (!stores_.add(name, std::move(entry))) {
    return fail(Code::kAlreadyExists, fmt::format("configuration store {} is there already", name));
  }
  return {};
}

void ConfigurationService::put(StoreEntry entry) {
  const auto fresh = std::make_shared<const StoreEntry>(std::move(entry));
  const std::string& name = fresh->name;
  stores_.put(name, fresh);
  std::vector<std::shared_ptr<Subscription>> moving;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, subscription] : subscriptions_) {
      if (subscription->store() == name) moving.push_back(subscription);
    }
  }
  // What changes between the two stores comes twice, or as it is in the end.
  for (const std::shared_ptr<Subscription>& subscription : moving) {
    if (!visible(*fresh, subscription->app_id())) {
      drop(*subscription, "the store is out of the app's scope now");
      continue;
    }
    fresh->store->subscribe(CallContext(), subscription->request(), subscription,
                            [this, subscription, entry = stores_.find(name)](const Result<void>& result) {
                              if (result || !is_current(entry)) return;
                              drop(*subscription, result.error().message);
                            });
  }
}

bool ConfigurationService::is_current(const Pinned& entry) const {
  if (!entry) return false;
  const Pinned now = stores_.find(entry->name);
  return !now || &*now == &*entry;
}

void ConfigurationService::remove_store(std::string_view name) {
  stores_.remove(name);
  std::vector<std::shared_ptr<Subscription>> ended;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, subscription] : subscriptions_) {
      if (subscription->store() == name) ended.push_back(subscription);
    }
  }
  for (const std::shared_ptr<Subscription>& subscription : ended) drop(*subscription, "the store was removed");
}

void ConfigurationService::drop(Subscription& subscription, std::string_view why) {
  {
    const std::lock_guard lock(mutex_);
    if (subscriptions_.erase(subscription.request().id) == 0) return;
  }
  subscription.warn(fmt::format("the subscription has ended: {}", why));
  subscription.end();
}

bool ConfigurationService::sweep(SteadyTime deadline) {
  for (const auto& unused : stores_.sweep()) unused->store->close(deadline);
  return stores_.has_retired();
}

ConfigurationService::Pinned ConfigurationService::find(std::string_view name, std::string_view app_id,
                                                        Error& error) const {
  Pinned found = stores_.find(name);
  if (found && visible(*found, app_id)) return found;
  if (std::ranges::any_of(stores_.all(), [&](const auto& item) { return visible(*item.second, app_id); })) {
    error = {Code::kInvalidArgument, "ERR_CONFIGURATION_STORE_NOT_FOUND",
             fmt::format("configuration store {} not found", name)};
  } else {
    error = {Code::kFailedPrecondition, "ERR_CONFIGURATION_STORE_NOT_CONFIGURED",
             "configuration stores not configured"};
  }
  return {};
}

Status ConfigurationService::check_store(std::string_view store, std::string_view app_id) const {
  Error error;
  if (!find(store, app_id, error)) return fail(std::move(error));
  return {};
}

void ConfigurationService::get(Caller caller, std::string_view store, std::vector<std::string> keys, Metadata metadata,
                               Completion<Items> done) {
  Error error;
  Pinned entry = find(store, caller.context.app_id, error);
  if (!entry) return done(fail(std::move(error)));
  Store& asked = *entry->store;
  Completion<Items> explained = [entry = std::move(entry), names = list_of(keys),
                                 done = std::move(done)](Result<Items> items) mutable {
    if (items) return done(std::move(items));
    done(fail(
        Code::kInternal, "ERR_CONFIGURATION_GET",
        fmt::format("failed to get {} from Configuration store {}: {}", names, entry->name, items.error().message)));
  };
  InPlaceScope scope;
  asked.get(caller.context, std::move(keys), std::move(metadata),
            bring_home<Items>(scope, caller.executor, std::move(explained)));
}

void ConfigurationService::subscribe(Caller caller, std::string_view store, std::vector<std::string> keys,
                                     Metadata metadata, std::shared_ptr<Listener> listener,
                                     Completion<std::string> done) {
  Error error;
  Pinned entry = find(store, caller.context.app_id, error);
  if (!entry) return done(fail(std::move(error)));
  const auto failed = [names = list_of(keys), name = entry->name](std::string_view why) {
    return Error{Code::kInvalidArgument, "ERR_CONFIGURATION_SUBSCRIBE",
                 fmt::format("failed to subscribe {} from Configuration store {}: {}", names, name, why)};
  };
  std::string id = random_uuid();
  SubscribeRequest request{.id = id, .keys = std::move(keys), .metadata = std::move(metadata)};
  const auto subscription = std::make_shared<Subscription>(caller.context.app_id, entry->name, request, caller.executor,
                                                           std::move(listener), log_);
  std::string_view refused;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) {
      refused = "the process stops";
    } else if (subscriptions_.size() >= kMaxSubscriptions) {
      refused = "there are too many subscriptions";
    } else {
      subscriptions_.emplace(id, subscription);
    }
  }
  if (!refused.empty()) return done(fail(failed(refused)));
  // One that has taken the place of the store until now has not seen this subscription.
  if (Pinned now = stores_.find(subscription->store())) entry = std::move(now);
  Store& asked = *entry->store;
  Completion<void> told = [this, id = std::move(id), subscription, failed, entry = std::move(entry),
                           done = std::move(done)](Result<void> result) mutable {
    // One that was replaced in the meantime has handed the subscription on.
    if (result || !is_current(entry)) {
      done(std::move(id));
      subscription->start();
      return;
    }
    {
      const std::lock_guard lock(mutex_);
      subscriptions_.erase(id);
    }
    done(fail(failed(result.error().message)));
    // An attempt that nobody waits for any more may still succeed.
    subscription->end();
    entry->store->unsubscribe(CallContext(), id, [](const Result<void>&) {});
  };
  InPlaceScope scope;
  asked.subscribe(caller.context, std::move(request), subscription,
                  bring_home<void>(scope, caller.executor, std::move(told)));
}

void ConfigurationService::unsubscribe(Caller caller, std::string_view store, std::string id, Completion<void> done) {
  std::shared_ptr<Subscription> subscription;
  {
    const std::lock_guard lock(mutex_);
    const auto found = subscriptions_.find(id);
    if (found != subscriptions_.end() && found->second->app_id() == caller.context.app_id &&
        (store.empty() || found->second->store() == store)) {
      subscription = found->second;
      subscriptions_.erase(found);
    }
  }
  if (subscription == nullptr) {
    return done(fail(Code::kNotFound, fmt::format("subscription with id {} does not exist", id)));
  }
  subscription->end();
  Pinned entry = stores_.find(subscription->store());
  if (!entry) return done({});
  Store& asked = *entry->store;
  Completion<void> ended = [entry = std::move(entry), done = std::move(done)](Result<void> result) mutable {
    done(std::move(result));
  };
  InPlaceScope scope;
  asked.unsubscribe(caller.context, std::move(id), bring_home<void>(scope, caller.executor, std::move(ended)));
}

void ConfigurationService::stop_subscriptions() {
  std::map<std::string, std::shared_ptr<Subscription>, std::less<>> all;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    all.swap(subscriptions_);
  }
  const CallContext context;
  for (const auto& [id, subscription] : all) {
    subscription->end();
    if (const Pinned entry = stores_.find(subscription->store())) {
      entry->store->unsubscribe(context, id, [](const Result<void>&) {});
    }
  }
}

void ConfigurationService::close(SteadyTime deadline) {
  stop_subscriptions();
  for (const auto& [name, entry] : stores_.all()) entry->store->close(deadline);
  for (const auto& entry : stores_.retired()) entry->store->close(deadline);
}

}  // namespace tandem::configuration
