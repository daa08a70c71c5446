#include "blocks/pubsub/pubsub_service.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "blocks/late_completion.h"
#include "blocks/pubsub/bulk_delivery.h"
#include "blocks/pubsub/cloud_event.h"
#include "blocks/pubsub/delivery.h"

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

// The path of a message that no rule is about. Fails when there is none, or rules that need an expression.
Result<std::string> route_of(const config::Subscription& subscription) {
  const std::string what = "the subscription to topic " + subscription.topic + " of pubsub " + subscription.pubsub_name;
  for (const config::RoutingRule& rule : subscription.rules) {
    if (!rule.match.empty()) {
      return fail(Code::kUnimplemented,
                  what + " has a routing rule with match \"" + rule.match +
                      "\": rules with a match are not supported, only a default route (routes.default)");
    }
  }
  for (const config::RoutingRule& rule : subscription.rules) {
    if (!rule.path.empty()) return rule.path;
  }
  if (!subscription.default_path.empty()) return subscription.default_path;
  // A rule that takes everything to no path is an app's that looks at the topic.
  if (!subscription.rules.empty()) return std::string();
  return fail(Code::kInvalidArgument, what + " has no route (route or routes.default)");
}

}  // namespace

struct PubsubService::Impl {
  struct Slot {
    std::string app_id;
    config::Subscription subscription;
    std::unique_ptr<Broker::Subscription> delivering;
    std::shared_ptr<StreamSink> stream;    // null: the app is called
    std::shared_ptr<BulkDelivering> bulk;  // null: events come one by one
  };
  class OpenStream;

  // Checks what publish and bulk publish have in common. The broker's entry, or the error and null.
  const BrokerEntry* check(const Caller& caller, std::string_view pubsub, std::string_view topic,
                           const Metadata& metadata, bool& raw, Error& error) const {
    const std::string name(pubsub);
    if (name.empty()) {
      error = {Code::kInvalidArgument, "ERR_PUBSUB_EMPTY", "pubsub name is empty"};
      return nullptr;
    }
    const auto found = brokers.find(pubsub);
    if (found == brokers.end() || !in_scope(found->second, caller.context.app_id)) {
      error = {Code::kInvalidArgument, "ERR_PUBSUB_NOT_FOUND", "pubsub " + name + " is not found"};
      return nullptr;
    }
    if (topic.empty()) {
      error = {Code::kInvalidArgument, "ERR_TOPIC_NAME_EMPTY", "topic is empty in pubsub " + name};
      return nullptr;
    }
    const Result<bool> is_raw = is_raw_payload(metadata);
    if (!is_raw) {
      error = {Code::kInvalidArgument, "ERR_PUBSUB_REQUEST_METADATA",
               "failed deserializing metadata. Error: " + is_raw.error().message};
      return nullptr;
    }
    raw = *is_raw;
    if (!found->second.topic_scopes.may_publish(caller.context.app_id, topic)) {
      error = {Code::kPermissionDenied, "ERR_PUBSUB_FORBIDDEN",
               "topic " + std::string(topic) + " is not allowed for app id " + caller.context.app_id};
      return nullptr;
    }
    return &found->second;
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
  Result<Delivering> prepare(const std::string& app_id, const config::Subscription& subscription, EventSink& sink);
  // Under the mutex.
  Status start(std::string app_id, config::Subscription subscription, Delivering delivering,
               std::shared_ptr<StreamSink> stream);
  void end_stream(const StreamSink* sink);

  const Logger* log = nullptr;
  TimedExecutor* timers = nullptr;
  DeliveryGuard* guard = nullptr;
  std::map<std::string, BrokerEntry, std::less<>> brokers;
  mutable std::mutex mutex;
  std::vector<Slot> slots;  // after the brokers: ends before them
  bool stopped = false;     // guarded by mutex: no more streams
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

PubsubService::PubsubService(const Logger* log, TimedExecutor* timers, DeliveryGuard* guard)
    : impl_(std::make_unique<Impl>()) {
  impl_->log = log;
  impl_->timers = timers;
  impl_->guard = guard;
}
PubsubService::~PubsubService() = default;

Status PubsubService::add_broker(BrokerEntry entry) {
  if (entry.name.empty() || entry.broker == nullptr) return fail(Code::kInvalidArgument, "a pubsub needs a name");
  std::string name = entry.name;
  if (!impl_->brokers.emplace(name, std::move(entry)).second) {
    return fail(Code::kAlreadyExists, "pubsub " + name + " is there already");
  }
  return {};
}

std::vector<std::string> PubsubService::broker_names(std::string_view app_id) const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : impl_->brokers) {
    if (in_scope(entry, app_id)) names.push_back(name);
  }
  return names;
}

bool PubsubService::has_broker(std::string_view name) const { return impl_->brokers.contains(name); }

void PubsubService::publish(Caller caller, PublishCall call, Completion<void> done) {
  Error error;
  bool raw = false;
  const BrokerEntry* entry = impl_->check(caller, call.pubsub, call.topic, call.metadata, raw, error);
  if (entry == nullptr) return done(fail(std::move(error)));
  Result<PublishRequest> request =
      Impl::wrap(caller, *entry, call.topic, call.data, call.content_type, std::move(call.metadata), raw);
  if (!request) return done(fail(std::move(request.error())));
  Completion<void> explained = [entry, topic = std::move(call.topic),
                                done = std::move(done)](Result<void> result) mutable {
    if (!result) result = std::unexpected(publish_error(entry->name, topic, result.error()));
    done(std::move(result));
  };
  InPlaceScope scope;
  entry->broker->publish(caller.context, std::move(*request),
                         bring_home<void>(scope, caller.executor, std::move(explained)));
}

void PubsubService::publish_bulk(Caller caller, std::string pubsub, std::string topic, std::vector<BulkEntry> entries,
                                 Metadata metadata, Completion<std::vector<BulkPublishFailure>> done) {
  using Failures = std::vector<BulkPublishFailure>;
  Error error;
  bool raw = false;
  const BrokerEntry* entry = impl_->check(caller, pubsub, topic, metadata, raw, error);
  if (entry == nullptr) return done(fail(std::move(error)));
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
  Completion<std::vector<Status>> named = [entry_ids = std::move(entry_ids),
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
  entry->broker->publish_bulk(caller.context, std::move(requests),
                              bring_home<std::vector<Status>>(scope, caller.executor, std::move(named)));
}

Result<Delivering> PubsubService::Impl::prepare(const std::string& app_id, const config::Subscription& subscription,
                                                EventSink& sink) {
  const std::string& pubsub = subscription.pubsub_name;
  const auto found = brokers.find(pubsub);
  if (found == brokers.end() || !in_scope(found->second, app_id)) {
    return fail(Code::kNotFound, "ERR_PUBSUB_NOT_FOUND", "pubsub " + pubsub + " is not found");
  }
  if (subscription.topic.empty()) {
    return fail(Code::kInvalidArgument, "ERR_TOPIC_NAME_EMPTY", "topic is empty in pubsub " + pubsub);
  }
  if (!found->second.topic_scopes.may_subscribe(app_id, subscription.topic)) {
    return fail(Code::kPermissionDenied, "ERR_PUBSUB_FORBIDDEN",
                "subscription to topic '" + subscription.topic + "' on pubsub '" + pubsub + "' is not allowed");
  }
  if (subscription.bulk.enabled && timers == nullptr) {
    return fail(Code::kFailedPrecondition, "the subscription to topic " + subscription.topic + " of pubsub " + pubsub +
                                               " asks for bulk delivery, for which there is no clock");
  }
  Result<std::string> route = route_of(subscription);
  if (!route) return fail(std::move(route.error()));
  const Result<bool> raw = is_raw_payload(subscription.metadata);
  if (!raw) return fail(raw.error());
  std::optional<Logger> app_log;
  if (log != nullptr) app_log = log->for_app(app_id);
  return Delivering{.app_id = app_id,
                    .pubsub = pubsub,
                    .route = std::move(*route),
                    .dead_letter_topic = subscription.dead_letter_topic,
                    .raw_payload = *raw,
                    .broker = *found->second.broker,
                    .sink = sink,
                    .log = std::move(app_log),
                    .guard = guard};
}

Status PubsubService::Impl::start(std::string app_id, config::Subscription subscription, Delivering delivering,
                                  std::shared_ptr<StreamSink> stream) {
  delivering.stream = stream;
  const auto shared = std::make_shared<const Delivering>(std::move(delivering));
  std::shared_ptr<BulkDelivering> bulk;
  MessageHandler handler = [shared](Message message, Completion<Verdict> done) {
    deliver(shared, std::move(message), std::move(done));
  };
  if (subscription.bulk.enabled) {
    bulk = std::make_shared<BulkDelivering>(shared, subscription.bulk, *timers);
    handler = [bulk](Message message, Completion<Verdict> done) { bulk->add(std::move(message), std::move(done)); };
  }
  Result<std::unique_ptr<Broker::Subscription>> started =
      shared->broker.subscribe(subscription.topic, app_id, subscription.metadata, std::move(handler));
  if (!started) return fail(std::move(started.error()));
  slots.push_back(
      {std::move(app_id), std::move(subscription), std::move(*started), std::move(stream), std::move(bulk)});
  return {};
}

void PubsubService::Impl::end_stream(const StreamSink* sink) {
  std::vector<Slot> ended;
  const std::lock_guard lock(mutex);
  const auto at = std::ranges::find_if(slots, [&](const Slot& slot) { return slot.stream.get() == sink; });
  if (at == slots.end()) return;
  ended.push_back(std::move(*at));
  slots.erase(at);
}

Status PubsubService::subscribe(std::string app_id, config::Subscription subscription, EventSink& sink) {
  Result<Delivering> delivering = impl_->prepare(app_id, subscription, sink);
  if (!delivering) return fail(std::move(delivering.error()));
  std::lock_guard lock(impl_->mutex);
  for (const Impl::Slot& slot : impl_->slots) {
    if (slot.stream == nullptr && slot.app_id == app_id && slot.subscription.pubsub_name == subscription.pubsub_name &&
        slot.subscription.topic == subscription.topic) {
      return fail(Code::kAlreadyExists, "app " + app_id + " has two subscriptions to topic " + subscription.topic +
                                            " of pubsub " + subscription.pubsub_name +
                                            ": each would get a part of the messages");
    }
  }
  return impl_->start(std::move(app_id), std::move(subscription), std::move(*delivering), nullptr);
}

Result<std::unique_ptr<PubsubService::Stream>> PubsubService::subscribe_stream(std::string app_id,
                                                                               config::Subscription subscription,
                                                                               std::shared_ptr<StreamSink> sink) {
  Result<Delivering> delivering = impl_->prepare(app_id, subscription, *sink);
  if (!delivering) return fail(std::move(delivering.error()));
  const StreamSink* const key = sink.get();
  std::lock_guard lock(impl_->mutex);
  if (impl_->stopped) return fail(Code::kUnavailable, "subscriber is closed");
  if (Status started =
          impl_->start(std::move(app_id), std::move(subscription), std::move(*delivering), std::move(sink));
      !started) {
    return fail(std::move(started.error()));
  }
  return std::make_unique<Impl::OpenStream>(*impl_, key);
}

std::vector<PubsubService::Active> PubsubService::subscriptions(std::string_view app_id) const {
  std::lock_guard lock(impl_->mutex);
  std::vector<Active> active;
  for (const Impl::Slot& slot : impl_->slots) {
    if (slot.app_id == app_id) active.push_back({slot.app_id, slot.subscription, slot.stream != nullptr});
  }
  return active;
}

void PubsubService::stop_subscriptions() {
  std::vector<Impl::Slot> stopped;
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopped = true;
    stopped.swap(impl_->slots);
  }
  for (Impl::Slot& slot : stopped) {
    slot.delivering.reset();
    if (slot.bulk != nullptr) slot.bulk->flush();
    if (slot.stream != nullptr) slot.stream->stop();
  }
}

void PubsubService::close(SteadyTime deadline) {
  stop_subscriptions();
  for (auto& [name, entry] : impl_->brokers) entry.broker->close(deadline);
}

}  // namespace tandem::pubsub
