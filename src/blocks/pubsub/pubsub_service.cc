#include "blocks/pubsub/pubsub_service.h"

#include <algorithm>
#include <iterator>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "blocks/late_completion.h"
#include "blocks/pubsub/bulk_delivery.h"
#include "blocks/pubsub/cloud_event.h"
#include "blocks/pubsub/delivery.h"
#include "blocks/registry.h"

namespace tandem::pubsub {
namespace {

bool in_scope(const BrokerEntry& entry, std::string_view app_id) {
  return entry.scopes.empty() || std::ranges::find(entry.scopes, app_id) != entry.scopes.end();
}

Error publish_error(std::string_view pubsub, std::string_view topic, const Error& error) {
  return {Code::kInternal, "ERR_PUBSUB_PUBLISH_MESSAGE",
          "error when publishing to topic " + std::string(topic) + " in pubsub " + std::string(pubsub) + ": " +
              error.message};
}

}  // namespace

using Pinned = Registry<BrokerEntry>::Pin;

struct PubsubService::Impl {
  struct Slot {
    std::string app_id;
    config::Subscription subscription;
    std::shared_ptr<const Delivering> with;
    std::unique_ptr<Broker::Subscription> delivering;
    std::shared_ptr<StreamSink> stream;    // null: the app is called
    std::shared_ptr<BulkDelivering> bulk;  // null: events come one by one
  };
  class OpenStream;

  // Checks what publish and bulk publish have in common. The broker's entry, or the error and none.
  Pinned check(const Caller& caller, std::string_view pubsub, std::string_view topic, const Metadata& metadata,
               bool& raw, Error& error) const {
    const std::string name(pubsub);
    if (name.empty()) {
      error = {Code::kInvalidArgument, "ERR_PUBSUB_EMPTY", "pubsub name is empty"};
      return {};
    }
    Pinned found = brokers.find(pubsub);
    if (!found || !in_scope(*found, caller.context.app_id)) {
      error = {Code::kInvalidArgument, "ERR_PUBSUB_NOT_FOUND", "pubsub " + name + " is not found"};
      return {};
    }
    if (topic.empty()) {
      error = {Code::kInvalidArgument, "ERR_TOPIC_NAME_EMPTY", "topic is empty in pubsub " + name};
      return {};
    }
    const Result<bool> is_raw = is_raw_payload(metadata);
    if (!is_raw) {
      error = {Code::kInvalidArgument, "ERR_PUBSUB_REQUEST_METADATA",
               "failed deserializing metadata. Error: " + is_raw.error().message};
      return {};
    }
    raw = *is_raw;
    if (!found->topic_scopes.may_publish(caller.context.app_id, topic)) {
      error = {Code::kPermissionDenied, "ERR_PUBSUB_FORBIDDEN",
               "topic " + std::string(topic) + " is not allowed for app id " + caller.context.app_id};
      return {};
    }
    return found;
  }

  // The bytes that travel, and their content type.
  static Result<PublishRequest> wrap(const Caller& caller, const BrokerEntry& entry, std::string_view topic,
                                     std::string_view data, std::string_view content_type, Metadata metadata,
                                     bool raw) {
    PublishRequest request{.topic = std::string(topic), .metadata = std::move(metadata)};
    if (raw) {
      request.data = share(std::string(data));
      request.content_type = content_type;
      return request;
    }
    Result<std::string> envelope = make_envelope({.source = caller.context.app_id,
                                                  .pubsub = entry.name,
                                                  .topic = topic,
                                                  .data = data,
                                                  .content_type = content_type,
                                                  .trace = caller.context.trace,
                                                  .metadata = request.metadata},
                                                 std::chrono::system_clock::now());
    if (!envelope) return fail(Code::kInvalidArgument, "ERR_PUBSUB_CLOUD_EVENTS_SER", "cannot create cloudevent");
    request.data = share(std::move(*envelope));
    request.content_type = kCloudEventType;
    return request;
  }

  // What a subscription delivers with, when it may be.
  Result<Delivering> prepare(const BrokerEntry* entry, const std::string& app_id,
                             const config::Subscription& subscription, EventSink& sink);
  // Under the mutex.
  Result<Slot> start(std::string app_id, config::Subscription subscription, Delivering delivering,
                     std::shared_ptr<StreamSink> stream);
  void end_stream(const StreamSink* sink);
  // Those slots of which it holds; they end where the result goes, outside the mutex.
  template <class Of>
  std::vector<Slot> take_slots(Of of);
  static void end(std::vector<Slot> slots);
  // Whether something that was delivered by the broker is still on its way.
  bool is_used(const BrokerEntry& entry);

  const Logger* log = nullptr;
  TimedExecutor* timers = nullptr;
  DeliveryGuard* guard = nullptr;
  const RuleCompiler* rules = nullptr;
  Registry<BrokerEntry> brokers;
  mutable std::mutex mutex;
  std::vector<Slot> slots;  // after the brokers: ends before them
  // What subscriptions that have ended delivered with, for as long as it is used.
  struct Ended {
    const Broker* broker = nullptr;
    std::weak_ptr<const Delivering> with;
  };
  std::vector<Ended> ended;
  bool stopped = false;  // guarded by mutex: no more streams
};

class PubsubService::Impl::OpenStream final : public PubsubService::Stream {
 public:
  OpenStream(Impl& impl, const StreamSink* sink) : impl_(impl), sink_(sink) {}
  ~OpenStream() override { impl_.end_stream(sink_); }

 private:
  Impl& impl_;
  const StreamSink* const sink_;
};

void EventSink::deliver_bulk(BulkDelivery, Completion<std::vector<Verdict>> done) {
  done(fail(Code::kUnimplemented, "events in bulk are not for this subscriber"));
}

PubsubService::PubsubService(const Logger* log, TimedExecutor* timers, DeliveryGuard* guard, const RuleCompiler* rules)
    : impl_(std::make_unique<Impl>()) {
  impl_->log = log;
  impl_->timers = timers;
  impl_->guard = guard;
  impl_->rules = rules;
}
PubsubService::~PubsubService() = default;

Status PubsubService::add_broker(BrokerEntry entry) {
  if (entry.name.empty() || entry.broker == nullptr) return fail(Code::kInvalidArgument, "a pubsub needs a name");
  std::string name = entry.name;
  if (!impl_->brokers.add(name, std::move(entry))) {
    return fail(Code::kAlreadyExists, "pubsub " + name + " is there already");
  }
  return {};
}

Status PubsubService::put_broker(BrokerEntry entry) {
  const auto fresh = std::make_shared<const BrokerEntry>(std::move(entry));
  const std::string& name = fresh->name;
  std::vector<Impl::Slot> before;
  std::vector<Impl::Slot> again;
  Status outcome;
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->stopped) return fail(Code::kUnavailable, "the process stops");
    // First those that receive, so that nothing is published to nobody.
    for (const Impl::Slot& slot : impl_->slots) {
      if (slot.subscription.pubsub_name != name) continue;
      Result<Delivering> delivering = impl_->prepare(fresh.get(), slot.app_id, slot.subscription, slot.with->sink);
      if (!delivering) {
        const Code code = delivering.error().code;
        // Out of the new scopes: no longer for this app.
        if (code == Code::kNotFound || code == Code::kPermissionDenied) continue;
        outcome = fail(std::move(delivering.error()));
        break;
      }
      Result<Impl::Slot> started = impl_->start(slot.app_id, slot.subscription, std::move(*delivering), slot.stream);
      if (!started) {
        outcome = fail(std::move(started.error()));
        break;
      }
      again.push_back(std::move(*started));
    }
    if (!outcome) {
      // Those that have begun may be delivering: the broker stays until they are done.
      for (Impl::Slot& slot : again) slot.stream.reset();
      std::ranges::move(again, std::back_inserter(impl_->slots));
      before = impl_->take_slots([&](const Impl::Slot& slot) { return &slot.with->broker == fresh->broker.get(); });
      impl_->brokers.retire(fresh);
    } else {
      impl_->brokers.put(name, fresh);
      before = impl_->take_slots([&](const Impl::Slot& slot) { return slot.subscription.pubsub_name == name; });
      // A stream that goes on is not told that it has ended.
      for (Impl::Slot& slot : before) {
        const bool goes_on = std::ranges::any_of(
            again, [&](const Impl::Slot& other) { return other.stream != nullptr && other.stream == slot.stream; });
        if (goes_on) slot.stream.reset();
      }
      std::ranges::move(again, std::back_inserter(impl_->slots));
    }
  }
  Impl::end(std::move(before));
  return outcome;
}

void PubsubService::remove_broker(std::string_view name) {
  std::vector<Impl::Slot> ended;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->brokers.remove(name);
    ended = impl_->take_slots([&](const Impl::Slot& slot) { return slot.subscription.pubsub_name == name; });
  }
  Impl::end(std::move(ended));
}

bool PubsubService::sweep(SteadyTime deadline) {
  for (const auto& unused : impl_->brokers.sweep([&](const BrokerEntry& entry) { return impl_->is_used(entry); })) {
    unused->broker->close(deadline);
  }
  return impl_->brokers.has_retired();
}

std::vector<std::string> PubsubService::broker_names(std::string_view app_id) const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : impl_->brokers.all()) {
    if (in_scope(*entry, app_id)) names.push_back(name);
  }
  return names;
}

bool PubsubService::has_broker(std::string_view name) const { return impl_->brokers.contains(name); }

void PubsubService::publish(Caller caller, PublishCall call, Completion<void> done) {
  Error error;
  bool raw = false;
  Pinned entry = impl_->check(caller, call.pubsub, call.topic, call.metadata, raw, error);
  if (!entry) return done(fail(std::move(error)));
  Result<PublishRequest> request =
      Impl::wrap(caller, *entry, call.topic, call.data, call.content_type, std::move(call.metadata), raw);
  if (!request) return done(fail(std::move(request.error())));
  Broker& broker = *entry->broker;
  Completion<void> explained = [entry = std::move(entry), topic = std::move(call.topic),
                                done = std::move(done)](Result<void> result) mutable {
    if (!result) result = std::unexpected(publish_error(entry->name, topic, result.error()));
    done(std::move(result));
  };
  InPlaceScope scope;
  broker.publish(caller.context, std::move(*request), bring_home<void>(scope, caller.executor, std::move(explained)));
}

void PubsubService::publish_whole(Caller caller, std::string_view pubsub, PublishRequest request,
                                  Completion<void> done) {
  Error error;
  bool raw = false;
  Pinned entry = impl_->check(caller, pubsub, request.topic, {}, raw, error);
  if (!entry) {
    // In daprd's words where no door is.
    if (error.reason == "ERR_PUBSUB_NOT_FOUND") error.message = "pubsub '" + std::string(pubsub) + "' not found";
    return done(fail(std::move(error)));
  }
  Broker& broker = *entry->broker;
  Completion<void> held = [entry = std::move(entry), done = std::move(done)](Result<void> result) mutable {
    done(std::move(result));
  };
  InPlaceScope scope;
  broker.publish(caller.context, std::move(request), bring_home<void>(scope, caller.executor, std::move(held)));
}

void PubsubService::publish_bulk(Caller caller, std::string pubsub, std::string topic, std::vector<BulkEntry> entries,
                                 Metadata metadata, Completion<std::vector<BulkPublishFailure>> done) {
  using Failures = std::vector<BulkPublishFailure>;
  Error error;
  bool raw = false;
  Pinned entry = impl_->check(caller, pubsub, topic, metadata, raw, error);
  if (!entry) return done(fail(std::move(error)));
  std::set<std::string_view> ids;
  for (const BulkEntry& item : entries) {
    if (!item.entry_id.empty() && ids.insert(item.entry_id).second) continue;
    return done(fail(Code::kAlreadyExists, "ERR_PUBSUB_EVENTS_SER",
                     "error marshaling events to bytes for topic " + topic + " pubsub " + pubsub +
                         ". error: entryId is duplicated or not present for entry"));
  }
  std::vector<PublishRequest> requests;
  for (BulkEntry& item : entries) {
    Metadata own;
    if (item.metadata) {
      own = std::move(*item.metadata);
      for (const auto& [name, value] : metadata) own.try_emplace(name, value);
    }
    Result<PublishRequest> request =
        Impl::wrap(caller, *entry, topic, item.data, item.content_type, std::move(own), raw);
    if (!request) return done(fail(std::move(request.error())));
    requests.push_back(std::move(*request));
  }

  std::vector<std::string> entry_ids;
  entry_ids.reserve(entries.size());
  for (BulkEntry& item : entries) entry_ids.push_back(std::move(item.entry_id));
  Broker& broker = *entry->broker;
  Completion<std::vector<Status>> named = [entry_ids = std::move(entry_ids), entry = std::move(entry),
                                           done = std::move(done)](Result<std::vector<Status>> outcomes) mutable {
    if (!outcomes) return done(fail(std::move(outcomes.error())));
    Failures failures;
    for (std::size_t i = 0; i < outcomes->size(); ++i) {
      Status& outcome = (*outcomes)[i];
      if (!outcome) failures.push_back({std::move(entry_ids[i]), std::move(outcome.error())});
    }
    done(std::move(failures));
  };
  InPlaceScope scope;
  broker.publish_bulk(caller.context, std::move(requests),
                      bring_home<std::vector<Status>>(scope, caller.executor, std::move(named)));
}

Result<Delivering> PubsubService::Impl::prepare(const BrokerEntry* entry, const std::string& app_id,
                                                const config::Subscription& subscription, EventSink& sink) {
  const std::string& pubsub = subscription.pubsub_name;
  if (entry == nullptr || !in_scope(*entry, app_id)) {
    return fail(Code::kNotFound, "ERR_PUBSUB_NOT_FOUND", "pubsub " + pubsub + " is not found");
  }
  if (subscription.topic.empty()) {
    return fail(Code::kInvalidArgument, "ERR_TOPIC_NAME_EMPTY", "topic is empty in pubsub " + pubsub);
  }
  if (!subscription.internal && !entry->topic_scopes.may_subscribe(app_id, subscription.topic)) {
    return fail(Code::kPermissionDenied, "ERR_PUBSUB_FORBIDDEN",
                "subscription to topic '" + subscription.topic + "' on pubsub '" + pubsub + "' is not allowed");
  }
  if (subscription.bulk.enabled && timers == nullptr) {
    return fail(Code::kFailedPrecondition, "the subscription to topic " + subscription.topic + " of pubsub " + pubsub +
                                               " asks for bulk delivery, for which there is no clock");
  }
  Result<Routes> routes = Routes::make(subscription, rules);
  if (!routes) return fail(std::move(routes.error()));
  const Result<bool> raw = is_raw_payload(subscription.metadata);
  if (!raw) return fail(raw.error());
  std::optional<Logger> app_log;
  if (log != nullptr) app_log = log->for_app(app_id);
  return Delivering{.app_id = app_id,
                    .pubsub = pubsub,
                    .routes = std::move(*routes),
                    .dead_letter_topic = subscription.dead_letter_topic,
                    .raw_payload = *raw,
                    .broker = *entry->broker,
                    .sink = sink,
                    .log = std::move(app_log),
                    .guard = subscription.internal ? nullptr : guard};
}

Result<PubsubService::Impl::Slot> PubsubService::Impl::start(std::string app_id, config::Subscription subscription,
                                                             Delivering delivering,
                                                             std::shared_ptr<StreamSink> stream) {
  delivering.stream = stream;
  const auto shared = std::make_shared<const Delivering>(std::move(delivering));
  std::shared_ptr<BulkDelivering> bulk;
  Result<std::unique_ptr<Broker::Subscription>> started;
  if (subscription.bulk.enabled) {
    bulk = std::make_shared<BulkDelivering>(shared, subscription.bulk, *timers);
    started = shared->broker.subscribe_bulk(
        subscription.topic, app_id, subscription.metadata, bulk->most(),
        [bulk](Message message, Completion<Verdict> done) { bulk->add(std::move(message), std::move(done)); });
  } else {
    started = shared->broker.subscribe(
        subscription.topic, app_id, subscription.metadata,
        [shared](Message message, Completion<Verdict> done) { deliver(shared, std::move(message), std::move(done)); });
  }
  if (!started) return fail(std::move(started.error()));
  return Slot{std::move(app_id),   std::move(subscription), shared,
              std::move(*started), std::move(stream),       std::move(bulk)};
}

template <class Of>
std::vector<PubsubService::Impl::Slot> PubsubService::Impl::take_slots(Of of) {
  std::erase_if(ended, [](const Ended& one) { return one.with.expired(); });
  std::vector<Slot> taken;
  std::erase_if(slots, [&](Slot& slot) {
    if (!of(slot)) return false;
    ended.push_back({&slot.with->broker, slot.with});
    taken.push_back(std::move(slot));
    return true;
  });
  return taken;
}

void PubsubService::Impl::end(std::vector<Slot> slots) {
  for (Slot& slot : slots) {
    slot.delivering.reset();
    if (slot.bulk != nullptr) slot.bulk->flush();
    if (slot.stream != nullptr) slot.stream->stop();
  }
}

bool PubsubService::Impl::is_used(const BrokerEntry& entry) {
  const std::lock_guard lock(mutex);
  return std::ranges::any_of(ended,
                             [&](const Ended& one) { return one.broker == entry.broker.get() && !one.with.expired(); });
}

void PubsubService::Impl::end_stream(const StreamSink* sink) {
  std::vector<Slot> gone;
  const std::lock_guard lock(mutex);
  gone = take_slots([&](const Slot& slot) { return slot.stream.get() == sink; });
}

Status PubsubService::subscribe(std::string app_id, config::Subscription subscription, EventSink& sink) {
  const std::lock_guard lock(impl_->mutex);
  const Pinned entry = impl_->brokers.find(subscription.pubsub_name);
  Result<Delivering> delivering = impl_->prepare(entry ? &*entry : nullptr, app_id, subscription, sink);
  if (!delivering) return fail(std::move(delivering.error()));
  for (const Impl::Slot& slot : impl_->slots) {
    if (slot.stream == nullptr && slot.app_id == app_id && slot.subscription.pubsub_name == subscription.pubsub_name &&
        slot.subscription.topic == subscription.topic) {
      return fail(Code::kAlreadyExists, "app " + app_id + " has two subscriptions to topic " + subscription.topic +
                                            " of pubsub " + subscription.pubsub_name +
                                            ": each would get a part of the messages");
    }
  }
  Result<Impl::Slot> started =
      impl_->start(std::move(app_id), std::move(subscription), std::move(*delivering), nullptr);
  if (!started) return fail(std::move(started.error()));
  impl_->slots.push_back(std::move(*started));
  return {};
}

void PubsubService::unsubscribe(std::string_view app_id, std::string_view pubsub, std::string_view topic) {
  std::vector<Impl::Slot> ended;
  {
    const std::lock_guard lock(impl_->mutex);
    ended = impl_->take_slots([&](const Impl::Slot& slot) {
      return slot.stream == nullptr && slot.app_id == app_id && slot.subscription.pubsub_name == pubsub &&
             slot.subscription.topic == topic;
    });
  }
  Impl::end(std::move(ended));
}

Result<std::unique_ptr<PubsubService::Stream>> PubsubService::subscribe_stream(std::string app_id,
                                                                               config::Subscription subscription,
                                                                               std::shared_ptr<StreamSink> sink) {
  const StreamSink* const key = sink.get();
  const std::lock_guard lock(impl_->mutex);
  const Pinned entry = impl_->brokers.find(subscription.pubsub_name);
  Result<Delivering> delivering = impl_->prepare(entry ? &*entry : nullptr, app_id, subscription, *sink);
  if (!delivering) return fail(std::move(delivering.error()));
  if (impl_->stopped) return fail(Code::kUnavailable, "subscriber is closed");
  Result<Impl::Slot> started =
      impl_->start(std::move(app_id), std::move(subscription), std::move(*delivering), std::move(sink));
  if (!started) return fail(std::move(started.error()));
  impl_->slots.push_back(std::move(*started));
  return std::make_unique<Impl::OpenStream>(*impl_, key);
}

std::vector<PubsubService::Active> PubsubService::subscriptions(std::string_view app_id) const {
  std::lock_guard lock(impl_->mutex);
  std::vector<Active> active;
  for (const Impl::Slot& slot : impl_->slots) {
    if (slot.app_id == app_id && !slot.subscription.internal)
      active.push_back({slot.app_id, slot.subscription, slot.stream != nullptr});
  }
  return active;
}

void PubsubService::stop_subscriptions() {
  std::vector<Impl::Slot> stopped;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopped = true;
    stopped = impl_->take_slots([](const Impl::Slot&) { return true; });
  }
  Impl::end(std::move(stopped));
}

void PubsubService::close(SteadyTime deadline) {
  stop_subscriptions();
  for (const auto& [name, entry] : impl_->brokers.all()) entry->broker->close(deadline);
  for (const auto& entry : impl_->brokers.retired()) entry->broker->close(deadline);
}

}  // namespace tandem::pubsub
