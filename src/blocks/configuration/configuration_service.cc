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
  Subscription(std::string id, std::string app_id, const StoreEntry& entry, Executor& home,
               std::shared_ptr<Listener> listener, const Logger* log)
      : id_(std::move(id)),
        app_id_(std::move(app_id)),
        entry_(entry),
        home_(home),
        listener_(std::move(listener)),
        log_(log) {}

  const std::string& app_id() const { return app_id_; }
  const StoreEntry& entry() const { return entry_; }

  void changed(Items items) override {
    home_.post([self = shared_from_this(), items = std::move(items)]() mutable { self->take(std::move(items)); });
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
    Update update{.store = entry_.name, .id = id_};
    update.items.insert(std::move(item));
    listener_->deliver(std::move(update), [self = shared_from_this()](Result<void> result) {
      // Never in place: a subscriber that takes everything at once would nest these calls.
      self->home_.post([self, result = std::move(result)] {
        if (!result) self->warn(fmt::format("an update did not reach the subscriber: {}", result.error().message));
        self->delivering_ = false;
        self->deliver_next();
      });
    });
  }

  void warn(const std::string& text) const {
    if (log_ == nullptr || ended_) return;
    log_->for_app(app_id_).warn(kScope, text, {{"component", entry_.name}, {"subscription", id_}});
  }

  const std::string id_;
  const std::string app_id_;
  const StoreEntry& entry_;
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
  if (!stores_.emplace(name, std::move(entry)).second) {
    return fail(Code::kAlreadyExists, fmt::format("configuration store {} is there already", name));
  }
  return {};
}

const StoreEntry* ConfigurationService::find(std::string_view name, std::string_view app_id, Error& error) const {
  const auto found = stores_.find(name);
  if (found != stores_.end() && visible(found->second, app_id)) return &found->second;
  if (std::ranges::any_of(stores_, [&](const auto& item) { return visible(item.second, app_id); })) {
    error = {Code::kInvalidArgument, "ERR_CONFIGURATION_STORE_NOT_FOUND",
             fmt::format("configuration store {} not found", name)};
  } else {
    error = {Code::kFailedPrecondition, "ERR_CONFIGURATION_STORE_NOT_CONFIGURED",
             "configuration stores not configured"};
  }
  return nullptr;
}

Status ConfigurationService::check_store(std::string_view store, std::string_view app_id) const {
  Error error;
  if (find(store, app_id, error) == nullptr) return fail(std::move(error));
  return {};
}

void ConfigurationService::get(Caller caller, std::string_view store, std::vector<std::string> keys, Metadata metadata,
                               Completion<Items> done) {
  Error error;
  const StoreEntry* entry = find(store, caller.context.app_id, error);
  if (entry == nullptr) return done(fail(std::move(error)));
  Completion<Items> explained = [entry, names = list_of(keys), done = std::move(done)](Result<Items> items) mutable {
    if (items) return done(std::move(items));
    done(fail(
        Code::kInternal, "ERR_CONFIGURATION_GET",
        fmt::format("failed to get {} from Configuration store {}: {}", names, entry->name, items.error().message)));
  };
  InPlaceScope scope;
  entry->store->get(caller.context, std::move(keys), std::move(metadata),
                    bring_home<Items>(scope, caller.executor, std::move(explained)));
}

void ConfigurationService::subscribe(Caller caller, std::string_view store, std::vector<std::string> keys,
                                     Metadata metadata, std::shared_ptr<Listener> listener,
                                     Completion<std::string> done) {
  Error error;
  const StoreEntry* entry = find(store, caller.context.app_id, error);
  if (entry == nullptr) return done(fail(std::move(error)));
  const auto failed = [names = list_of(keys), entry](std::string_view why) {
    return Error{Code::kInvalidArgument, "ERR_CONFIGURATION_SUBSCRIBE",
                 fmt::format("failed to subscribe {} from Configuration store {}: {}", names, entry->name, why)};
  };
  std::string id = random_uuid();
  const auto subscription =
      std::make_shared<Subscription>(id, caller.context.app_id, *entry, caller.executor, std::move(listener), log_);
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
  Completion<void> told = [this, id, subscription, failed, done = std::move(done)](Result<void> result) mutable {
    if (result) {
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
    subscription->entry().store->unsubscribe(CallContext(), id, [](const Result<void>&) {});
  };
  SubscribeRequest request{.id = std::move(id), .keys = std::move(keys), .metadata = std::move(metadata)};
  InPlaceScope scope;
  entry->store->subscribe(caller.context, std::move(request), subscription,
                          bring_home<void>(scope, caller.executor, std::move(told)));
}

void ConfigurationService::unsubscribe(Caller caller, std::string_view store, std::string id, Completion<void> done) {
  std::shared_ptr<Subscription> subscription;
  {
    const std::lock_guard lock(mutex_);
    const auto found = subscriptions_.find(id);
    if (found != subscriptions_.end() && found->second->app_id() == caller.context.app_id &&
        (store.empty() || found->second->entry().name == store)) {
      subscription = found->second;
      subscriptions_.erase(found);
    }
  }
  if (subscription == nullptr) {
    return done(fail(Code::kNotFound, fmt::format("subscription with id {} does not exist", id)));
  }
  subscription->end();
  InPlaceScope scope;
  subscription->entry().store->unsubscribe(caller.context, std::move(id),
                                           bring_home<void>(scope, caller.executor, std::move(done)));
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
    subscription->entry().store->unsubscribe(context, id, [](const Result<void>&) {});
  }
}

void ConfigurationService::close(SteadyTime deadline) {
  stop_subscriptions();
  for (auto& [name, entry] : stores_) entry.store->close(deadline);
}

}  // namespace tandem::configuration
