// The pub/sub building block: publish once for all three doors, and the delivery of messages to apps.
//
// Publish wraps data into a CloudEvents 1.0 envelope exactly as Dapr does, unless `rawPayload` is asked for or the data
// is an envelope already. Delivery matches a message to a route of the app's Subscription, hands the envelope to the
// app's EventSink and turns its answer into a Verdict (dead-letter topic, drop, retry). One object a process;
// publish() and subscribe_stream() are any thread's, also while brokers come and go (blocks/registry.h), the rest is
// the server's. Source: https://docs.dapr.io/reference/api/pubsub_api/ and
// https://docs.dapr.io/developing-applications/building-blocks/pubsub/pubsub-cloudevents/.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/log.h"
#include "blocks/pubsub/pubsub_broker.h"
#include "blocks/pubsub/topic_scopes.h"
#include "blocks/state/state_service.h"
#include "config/subscription.h"

namespace tandem::pubsub {

using state::Caller;

struct BrokerEntry {
  std::string name;
  std::unique_ptr<Broker> broker;
  std::vector<std::string> scopes;  // app ids that may use the component; empty: all
  TopicScopes topic_scopes;
  std::vector<std::string> capabilities;  // what the metadata API says of it
};

// What a door passes on.
struct PublishCall {
  std::string pubsub;
  std::string topic;
  std::string_view data;     // lives until publish() returns
  std::string content_type;  // "" means text/plain, as in Dapr
  Metadata metadata;         // rawPayload, ttlInSeconds, cloudevent.<attribute>
};

struct BulkEntry {
  std::string entry_id;
  std::string_view data;
  std::string content_type;
  // As in daprd, what the call says of all entries counts for those that say something of their own.
  std::optional<Metadata> metadata = {};
};

// One event on its way to an app.
struct Delivery {
  std::string pubsub;
  std::string topic;
  std::string route;         // the path that the app's subscription names, "/orders"
  SharedBytes body;          // the envelope, or for raw payload subscriptions what Dapr sends
  std::string content_type;  // application/cloudevents+json …
  TraceContext trace;
  Metadata metadata;
  SteadyTime give_up_by = SteadyTime::max();  // as Message has it
};

// One of several events that go to an app together.
struct BulkItem {
  std::string entry_id;  // of this delivery alone
  SharedBytes event;     // the envelope; for raw payload subscriptions the bytes themselves
  std::string content_type;
  Metadata metadata;
};
struct BulkDelivery {
  std::string id;
  std::string pubsub;
  std::string topic;
  std::string route;
  bool raw_payload = false;
  std::vector<BulkItem> items;
  Metadata metadata;
  SteadyTime give_up_by = SteadyTime::max();  // the earliest of its messages'
};

// The app's side of a delivery: app/ implements it over the app's HTTP channel. Called on the broker's thread, without
// its locks; the implementation posts to a worker of its own, or does its work at once when that is this thread's. The
// verdict of an app that answers 404 is kDrop, 5xx kRetry, 2xx by
// {"status":"SUCCESS"|"RETRY"|"DROP"} (see verdict_of_response).
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void deliver(Delivery delivery, Completion<Verdict> done) = 0;
  // The verdicts in the order of the items. On whatever thread the bulk is full.
  virtual void deliver_bulk(BulkDelivery delivery, Completion<std::vector<Verdict>> done);
};

// A sink that lives as long as a stream of its app's. stop() comes once, on any thread, when the service ends the
// subscription: no deliveries come any more.
class StreamSink : public EventSink {
 public:
  virtual void stop() = 0;
};

// Stands between the service and an app's sink: may hand one delivery over more than once. On any thread, several
// deliveries at once. It outlives the service.
class DeliveryGuard {
 public:
  // Hands a delivery to the sink; may be called again while an earlier call is still under way.
  using Attempt = std::move_only_function<void(Delivery, Completion<Verdict>)>;
  using BulkAttempt = std::move_only_function<void(BulkDelivery, Completion<std::vector<Verdict>>)>;

  virtual ~DeliveryGuard() = default;
  virtual void deliver(std::string_view app_id, Delivery delivery, Attempt attempt, Completion<Verdict> done) = 0;
  virtual void deliver_bulk(std::string_view app_id, BulkDelivery delivery, BulkAttempt attempt,
                            Completion<std::vector<Verdict>> done) = 0;
};

// Dapr's rule for an app's answer to a delivery. Logs nothing; `note` says what to log, if anything.
struct ResponseVerdict {
  Verdict verdict;
  std::string note;
};
ResponseVerdict verdict_of_response(int status, std::string_view body);

class RuleCompiler;

class PubsubService final {
 public:
  // `log`, when given, outlives the service and hears of messages that are dropped and why. `timers` is for bulk
  // delivery, which is refused without it, and outlives the service. `guard`, when given, has a say in every delivery.
  // `rules` is for subscriptions with routing rules, which are refused without it; it outlives the service.
  explicit PubsubService(const Logger* log = nullptr, TimedExecutor* timers = nullptr, DeliveryGuard* guard = nullptr,
                         const RuleCompiler* rules = nullptr);
  ~PubsubService();

  Status add_broker(BrokerEntry entry);
  // In the place of the broker of that name, if there is one: its subscriptions go on with the new one, which receives
  // before it is published to; those that its scopes leave out end. Fails, and nothing happens, when one of them cannot
  // be started.
  Status put_broker(BrokerEntry entry);
  // Its subscriptions end.
  void remove_broker(std::string_view name);
  // As StateService's; deliveries under way use their broker, too.
  bool sweep(SteadyTime deadline);
  std::vector<std::string> broker_names(std::string_view app_id) const;
  // Whether there is a component of that name, in whoever's scope.
  bool has_broker(std::string_view name) const;

  // Fails with Dapr 1.18's reasons, codes and messages:
  //   ERR_PUBSUB_EMPTY             kInvalidArgument   no component named
  //   ERR_PUBSUB_NOT_FOUND         kInvalidArgument   unknown, or out of the app's scope
  //   ERR_TOPIC_NAME_EMPTY         kInvalidArgument
  //   ERR_PUBSUB_REQUEST_METADATA  kInvalidArgument   rawPayload is no boolean
  //   ERR_PUBSUB_CLOUD_EVENTS_SER  kInvalidArgument   the data says that it is a CloudEvent and is not
  //   ERR_PUBSUB_FORBIDDEN         kPermissionDenied  by the component's topic scopes
  //   ERR_PUBSUB_PUBLISH_MESSAGE   kInternal          the broker failed
  void publish(Caller caller, PublishCall call, Completion<void> done);
  // One result for each failed entry; empty when all were accepted. Before anything is sent it fails as publish() does,
  // or with ERR_PUBSUB_EVENTS_SER when an entry id is missing or there twice.
  void publish_bulk(Caller caller, std::string pubsub, std::string topic, std::vector<BulkEntry> entries,
                    Metadata metadata, Completion<std::vector<BulkPublishFailure>> done);

  // Sends what is an envelope already, as it is: as publish() checks, and fails, but with the bare cause.
  void publish_whole(Caller caller, std::string_view pubsub, PublishRequest request, Completion<void> done);

  // Starts delivering to `sink`, which must outlive the service's stop(). Subscriptions whose scopes leave out `app_id`
  // are ignored by the caller. Fails with kNotFound when the app sees no such component.
  Status subscribe(std::string app_id, config::Subscription subscription, EventSink& sink);
  // Deliveries under way finish.
  void unsubscribe(std::string_view app_id, std::string_view pubsub, std::string_view topic);
  // As subscribe() for a sink that comes and goes; every one is a subscription of its own, also to a topic that has
  // one. It ends with the handle, which ends before the service. kUnavailable after stop_subscriptions(). Any thread.
  class Stream {
   public:
    virtual ~Stream() = default;
  };
  Result<std::unique_ptr<Stream>> subscribe_stream(std::string app_id, config::Subscription subscription,
                                                   std::shared_ptr<StreamSink> sink);

  // For the metadata API; without those that are `internal`.
  struct Active {
    std::string app_id;
    config::Subscription subscription;
    bool is_stream = false;
  };
  std::vector<Active> subscriptions(std::string_view app_id) const;

  // No new deliveries; those under way finish, but for those of streams, which end.
  void stop_subscriptions();
  void close(SteadyTime deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::pubsub
