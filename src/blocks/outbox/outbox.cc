#include "blocks/outbox/outbox.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <utility>
#include <variant>

#include "base/text.h"
#include "base/uuid.h"
#include "blocks/outbox/go_text.h"
#include "blocks/pubsub/cloud_event.h"

namespace tandem::outbox {
namespace {

using state::Caller;
using state::Operation;
using state::SetRequest;
using std::chrono::milliseconds;

constexpr std::string_view kScope = "tandem.outbox";
constexpr std::string_view kProjection = "outbox.projection";
// daprd looks after a second, and again after these.
constexpr milliseconds kFirstLook{1000};
constexpr std::array<milliseconds, 4> kLookAgain{milliseconds(500), milliseconds(1500), milliseconds(3000),
                                                 milliseconds(3000)};
constexpr std::chrono::seconds kPatience{30};

// What Dapr's kit takes for yes.
bool is_truthy(std::string_view text) {
  const std::string word = to_lower(trim(text));
  return word == "y" || word == "yes" || word == "true" || word == "t" || word == "on" || word == "1";
}

std::string own_topic(std::string_view name_space, std::string_view app_id, std::string_view topic) {
  return std::string(name_space).append(app_id).append(topic).append("outbox");
}

std::string content_type_of(const SetRequest& request) {
  if (!request.content_type.empty()) return request.content_type;
  const auto found = request.metadata.find("contentType");
  return found == request.metadata.end() ? std::string() : found->second;
}

// The data of the event that a value makes.
std::string data_of(const SetRequest& request, std::string_view content_type) {
  if (request.value == nullptr) return {};
  if (request.form == state::ValueForm::kBytes || equals_ignoring_case(content_type, "application/json")) {
    return *request.value;
  }
  return go_text(*request.value);
}

}  // namespace

std::optional<Settings> Settings::of(const config::Component& component) {
  const auto text = [&](std::string_view key) {
    const config::MetadataItem* item = component.find(key);
    return item == nullptr ? std::string() : std::string(item->value);
  };
  Settings settings{.publish_pubsub = text("outboxPublishPubsub"),
                    .publish_topic = text("outboxPublishTopic"),
                    .own_pubsub = text("outboxPubsub"),
                    .discard_when_missing_state = is_truthy(text("outboxDiscardWhenMissingState"))};
  if (settings.publish_pubsub.empty() || settings.publish_topic.empty()) return std::nullopt;
  if (settings.own_pubsub.empty()) settings.own_pubsub = settings.publish_pubsub;
  return settings;
}

struct Outbox::Impl {
  std::string name_space;
  state::StateService& state;
  pubsub::PubsubService& pubsub;
  TimedExecutor& timers;
  const Logger* log;

  mutable std::shared_mutex mutex;
  std::map<std::string, Settings, std::less<>> stores;  // guarded by mutex
  std::vector<std::unique_ptr<Relay>> relays;           // guarded by mutex; go with the outbox

  // One event that waits for its key.
  struct Waiting {
    CallContext context;
    std::vector<std::string> stores;  // that send to this topic: one of them has the key
    std::size_t store = 0;            // where it is looked for
    Settings settings;
    std::string key;
    std::string topic;  // of the host's own, for the log
    SharedBytes event;
    std::string content_type;  // of the data
    std::size_t looks = 0;
    std::mutex mutex;
    Completion<pubsub::Verdict> done;  // guarded by mutex; null: it is over

    void finish(Result<pubsub::Verdict> verdict) {
      Completion<pubsub::Verdict> taken;
      {
        const std::lock_guard lock(mutex);
        taken = std::exchange(done, nullptr);
      }
      if (taken) taken(std::move(verdict));
    }
    bool is_over() {
      const std::lock_guard lock(mutex);
      return !done;
    }
  };
  using SharedWaiting = std::shared_ptr<Waiting>;
  std::set<SharedWaiting> waiting;  // guarded by mutex
  bool is_stopped = false;          // guarded by mutex

  // The stores whose events of this app come by a topic, and where they go.
  std::vector<std::pair<std::string, Settings>> sources(std::string_view app_id, std::string_view pubsub,
                                                        std::string_view topic) const {
    const std::shared_lock lock(mutex);
    std::vector<std::pair<std::string, Settings>> found;
    for (const auto& [store, settings] : stores) {
      if (settings.own_pubsub != pubsub || own_topic(name_space, app_id, settings.publish_topic) != topic) continue;
      found.emplace_back(store, settings);
    }
    return found;
  }

  std::optional<Settings> settings_of(std::string_view store) const {
    const std::shared_lock lock(mutex);
    const auto found = stores.find(store);
    return found == stores.end() ? std::nullopt : std::optional(found->second);
  }
};

// Reads one app's topic of the host's own.
class Outbox::Relay final : public pubsub::EventSink {
 public:
  Relay(std::weak_ptr<Impl> impl, std::string app_id, std::string pubsub, std::string topic)
      : impl_(std::move(impl)), app_id_(std::move(app_id)), pubsub_(std::move(pubsub)), topic_(std::move(topic)) {}

  bool is_for(std::string_view app_id, std::string_view pubsub, std::string_view topic) const {
    return app_id_ == app_id && pubsub_ == pubsub && topic_ == topic;
  }

  void deliver(pubsub::Delivery delivery, Completion<pubsub::Verdict> done) override {
    const std::shared_ptr<Impl> impl = impl_.lock();
    if (!impl) return done(pubsub::Verdict::kRetry);
    auto sources = impl->sources(app_id_, pubsub_, topic_);
    if (sources.empty()) return done(pubsub::Verdict::kRetry);
    const auto facts = pubsub::read_envelope(*delivery.body);
    if (!facts) return done(pubsub::Verdict::kRetry);
    auto one = std::make_shared<Impl::Waiting>();
    one->context = {.app_id = app_id_, .trace = delivery.trace};
    for (auto& [store, settings] : sources) one->stores.push_back(store);
    one->settings = std::move(sources.front().second);
    one->key = facts->id;
    one->topic = delivery.topic;
    one->event = std::move(delivery.body);
    one->content_type = facts->content_type;
    one->done = std::move(done);
    bool is_stopped = false;
    {
      const std::lock_guard lock(impl->mutex);
      is_stopped = impl->is_stopped;
      if (!is_stopped) impl->waiting.insert(one);
    }
    if (is_stopped) return end(impl, one, fail(Code::kCancelled, "the process stops"));
    later(impl_, kFirstLook, one, look);
  }

 private:
  using Step = void (*)(const std::shared_ptr<Impl>&, const Impl::SharedWaiting&);

  static void later(const std::weak_ptr<Impl>& weak, milliseconds delay, const Impl::SharedWaiting& one, Step step) {
    const std::shared_ptr<Impl> impl = weak.lock();
    if (!impl) return;
    impl->timers.post_after(delay, [weak, one, step] {
      const std::shared_ptr<Impl> held = weak.lock();
      if (held && !one->is_over()) step(held, one);
    });
  }

  static void end(const std::shared_ptr<Impl>& impl, const Impl::SharedWaiting& one, Result<pubsub::Verdict> verdict) {
    {
      const std::lock_guard lock(impl->mutex);
      impl->waiting.erase(one);
    }
    one->finish(std::move(verdict));
  }

  static void say(const Impl& impl, const Impl::Waiting& one, std::string_view message) {
    if (impl.log == nullptr) return;
    impl.log->for_app(one.context.app_id)
        .error(kScope, message,
               {{"store", one.stores[one.store]},
                {"pubsub", one.settings.publish_pubsub},
                {"topic", one.settings.publish_topic},
                {"id", one.key}});
  }

  // Tries `step` again, later; the last time was the last: `over`.
  static bool again(const std::shared_ptr<Impl>& impl, const Impl::SharedWaiting& one, Step step) {
    if (one->looks >= kLookAgain.size()) return false;
    later(impl, kLookAgain[one->looks++], one, step);
    return true;
  }

  static void look(const std::shared_ptr<Impl>& impl, const Impl::SharedWaiting& one) {
    one->context.deadline = std::chrono::steady_clock::now() + kPatience;
    impl->state.get_own(
        {one->context, impl->timers}, one->stores[one->store], one->key,
        [weak = std::weak_ptr(impl), one](const Result<state::GetResponse>& found) {
          const std::shared_ptr<Impl> held = weak.lock();
          if (!held || one->is_over()) return;
          if (found && found->data != nullptr && !found->data->empty()) return publish(held, one);
          one->store = (one->store + 1) % one->stores.size();
          if (one->store != 0) return look(held, one);
          if (again(held, one, look)) return;
          const std::string why =
              found ? "outbox state not found" : "outbox state cannot be read: " + found.error().message;
          if (one->settings.discard_when_missing_state) {
            say(*held, *one, "failed to publish outbox message: " + why + ", discarding message");
            return end(held, one, pubsub::Verdict::kSuccess);
          }
          say(*held, *one, "failed to publish outbox message: " + why + ", rejecting for later processing");
          end(held, one, pubsub::Verdict::kRetry);
        });
  }

  static void publish(const std::shared_ptr<Impl>& impl, const Impl::SharedWaiting& one) {
    Result<std::string> event =
        pubsub::address_event(*one->event, one->settings.publish_pubsub, one->settings.publish_topic);
    if (!event) return end(impl, one, pubsub::Verdict::kRetry);
    one->context.deadline = std::chrono::steady_clock::now() + kPatience;
    impl->pubsub.publish_whole(
        {one->context, impl->timers}, one->settings.publish_pubsub,
        {.topic = one->settings.publish_topic, .data = share(std::move(*event)), .content_type = one->content_type},
        [weak = std::weak_ptr(impl), one](const Result<void>& sent) {
          const std::shared_ptr<Impl> held = weak.lock();
          if (!held || one->is_over()) return;
          if (!sent) {
            say(*held, *one, "failed to publish outbox message: " + sent.error().message);
            return end(held, one, pubsub::Verdict::kRetry);
          }
          one->looks = 0;
          remove_key(held, one);
        });
  }

  static void remove_key(const std::shared_ptr<Impl>& impl, const Impl::SharedWaiting& one) {
    one->context.deadline = std::chrono::steady_clock::now() + kPatience;
    impl->state.remove_own({one->context, impl->timers}, one->stores[one->store], one->key,
                           [weak = std::weak_ptr(impl), one](const Result<void>& gone) {
                             const std::shared_ptr<Impl> held = weak.lock();
                             if (!held || one->is_over()) return;
                             if (gone) return end(held, one, pubsub::Verdict::kSuccess);
                             if (again(held, one, remove_key)) return;
                             say(*held, *one,
                                 "the key of an outbox message cannot be deleted: " + gone.error().message);
                             end(held, one, pubsub::Verdict::kRetry);
                           });
  }

  const std::weak_ptr<Impl> impl_;
  const std::string app_id_;
  const std::string pubsub_;
  const std::string topic_;
};

Outbox::Outbox(std::string name_space, state::StateService& state, pubsub::PubsubService& pubsub, TimedExecutor& timers,
               const Logger* log)
    : impl_(new Impl{.name_space = name_space.empty() ? "default" : std::move(name_space),
                     .state = state,
                     .pubsub = pubsub,
                     .timers = timers,
                     .log = log}) {}

Outbox::~Outbox() = default;

void Outbox::set(const std::string& store, std::optional<Settings> settings) {
  const std::lock_guard lock(impl_->mutex);
  if (settings) {
    impl_->stores.insert_or_assign(store, std::move(*settings));
  } else {
    impl_->stores.erase(store);
  }
}

void Outbox::remove(std::string_view store) {
  const std::lock_guard lock(impl_->mutex);
  if (const auto found = impl_->stores.find(store); found != impl_->stores.end()) impl_->stores.erase(found);
}

bool Outbox::takes(std::string_view store) const {
  const std::shared_lock lock(impl_->mutex);
  return impl_->stores.contains(store);
}

void Outbox::start(const std::string& app_id) {
  std::map<std::string, Settings, std::less<>> stores;
  {
    const std::shared_lock lock(impl_->mutex);
    stores = impl_->stores;
  }
  const std::vector<std::string> visible = impl_->state.store_names(app_id);
  for (const auto& [store, settings] : stores) {
    if (std::ranges::find(visible, store) == visible.end()) continue;
    config::Subscription subscription;
    subscription.pubsub_name = settings.own_pubsub;
    subscription.topic = own_topic(impl_->name_space, app_id, settings.publish_topic);
    subscription.rules.push_back({});
    subscription.internal = true;
    Relay* relay = nullptr;
    {
      const std::lock_guard lock(impl_->mutex);
      const auto found = std::ranges::find_if(impl_->relays, [&](const auto& one) {
        return one->is_for(app_id, subscription.pubsub_name, subscription.topic);
      });
      relay =
          found != impl_->relays.end()
              ? found->get()
              : impl_->relays
                    .emplace_back(std::make_unique<Relay>(impl_, app_id, subscription.pubsub_name, subscription.topic))
                    .get();
    }
    const std::string topic = subscription.topic;
    const Status started = impl_->pubsub.subscribe(app_id, std::move(subscription), *relay);
    // Of several stores with one topic, or when the folders have changed, it is there.
    if (started || started.error().code == Code::kAlreadyExists || impl_->log == nullptr) continue;
    const std::string why = started.error().code == Code::kNotFound
                                ? "outbox pubsub " + settings.own_pubsub + " not loaded"
                                : started.error().message;
    impl_->log->for_app(app_id).warn(kScope, "could not subscribe to internal outbox topic: " + why,
                                     {{"store", store}, {"pubsub", settings.own_pubsub}, {"topic", topic}});
  }
}

void Outbox::stop() {
  std::set<Impl::SharedWaiting> waiting;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->is_stopped = true;
    waiting.swap(impl_->waiting);
  }
  for (const Impl::SharedWaiting& one : waiting) one->finish(fail(Code::kCancelled, "the process stops"));
}

namespace {

// Events on their way, one after the other, as daprd sends them.
struct Sending {
  CallContext context;
  Executor* executor = nullptr;
  std::string pubsub;
  std::string topic;
  std::vector<SharedBytes> events;
  std::vector<Operation> operations;
  Completion<std::vector<Operation>> done;
};

void send_next(pubsub::PubsubService& service, std::shared_ptr<Sending> sending, std::size_t next) {
  if (next == sending->events.size()) return sending->done(std::move(sending->operations));
  service.publish_whole({sending->context, *sending->executor}, sending->pubsub,
                        {.topic = sending->topic, .data = sending->events[next]},
                        [&service, sending, next](const Result<void>& sent) {
                          if (!sent) return sending->done(fail(sent.error()));
                          send_next(service, sending, next + 1);
                        });
}

}  // namespace

void Outbox::prepare(const Caller& caller, std::string_view store, std::vector<Operation> operations,
                     Completion<std::vector<Operation>> done) {
  const std::optional<Settings> settings = impl_->settings_of(store);
  if (!settings) return done(std::move(operations));
  // What stands in the place of a key's value in its event, and is not written.
  std::map<std::string, SetRequest> projections;
  std::erase_if(operations, [&](Operation& operation) {
    auto* const request = std::get_if<SetRequest>(&operation);
    if (request == nullptr) return false;
    const auto found = request->metadata.find(kProjection);
    if (found == request->metadata.end() || !is_truthy(found->second)) return false;
    std::string key = request->key;
    projections.insert_or_assign(std::move(key), std::move(*request));
    return true;
  });
  auto sending = std::make_shared<Sending>();
  const auto now = std::chrono::system_clock::now();
  const std::string& app_id = caller.context.app_id;
  std::vector<Operation> marks;
  for (const Operation& operation : operations) {
    const auto* const request = std::get_if<SetRequest>(&operation);
    if (request == nullptr) continue;
    const auto projected = projections.find(request->key);
    const SetRequest& shown = projected == projections.end() ? *request : projected->second;
    const std::string content_type = content_type_of(shown);
    const std::string key = "outbox-" + random_uuid();
    sending->events.push_back(share(pubsub::make_outbox_event({.id = key,
                                                               .source = app_id,
                                                               .pubsub = settings->own_pubsub,
                                                               .data = data_of(shown, content_type),
                                                               .content_type = content_type,
                                                               .trace = caller.context.trace,
                                                               .metadata = request->metadata},
                                                              now)));
    marks.emplace_back(SetRequest{.key = key, .value = share("\"0\""), .form = state::ValueForm::kJson});
  }
  std::ranges::move(marks, std::back_inserter(operations));
  sending->context = caller.context;
  sending->executor = &caller.executor;
  sending->pubsub = settings->own_pubsub;
  sending->topic = own_topic(impl_->name_space, app_id, settings->publish_topic);
  sending->operations = std::move(operations);
  sending->done = std::move(done);
  send_next(impl_->pubsub, std::move(sending), 0);
}

}  // namespace tandem::outbox
