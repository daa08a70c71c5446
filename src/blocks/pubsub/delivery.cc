#include "blocks/pubsub/delivery.h"

#include <chrono>
#include <string_view>
#include <utility>

namespace tandem::pubsub {
namespace {

constexpr std::string_view kScope = "tandem.pubsub";
constexpr std::chrono::seconds kDeadLetterPatience{30};

void warn(const Delivering& delivering, std::string_view message, std::string_view topic) {
  if (delivering.log) delivering.log->warn(kScope, message, {{"pubsub", delivering.pubsub}, {"topic", topic}});
}

TraceContext trace_of(const Metadata& metadata) {
  const auto value = [&](std::string_view name) {
    const auto found = metadata.find(name);
    return found == metadata.end() ? std::string() : found->second;
  };
  TraceContext trace{value("traceparent"), value("tracestate")};
  if (trace.traceparent.empty()) trace.traceparent = value("traceid");
  return trace;
}

}  // namespace

void give_up(const std::shared_ptr<const Delivering>& delivering, const Message& message, Verdict otherwise,
             Completion<Verdict> done) {
  if (delivering->dead_letter_topic.empty()) return done(otherwise);
  CallContext context{.app_id = delivering->app_id, .deadline = std::chrono::steady_clock::now() + kDeadLetterPatience};
  PublishRequest request{.topic = delivering->dead_letter_topic,
                         .data = message.data,
                         .content_type = message.content_type,
                         .metadata = message.metadata};
  delivering->broker.publish(context, std::move(request),
                             [delivering, topic = message.topic, done = std::move(done)](Result<void> result) mutable {
                               if (result) return done(Verdict::kSuccess);
                               warn(*delivering,
                                    "error sending message to dead letter topic " + delivering->dead_letter_topic +
                                        ": " + result.error().message,
                                    topic);
                               done(Verdict::kRetry);
                             });
}

std::optional<EventFacts> open_envelope(const Delivering& delivering, const Message& message) {
  Result<EventFacts> facts = read_envelope(*message.data);
  if (!facts) {
    // It will not get better: no use in another try.
    warn(delivering, "error deserializing cloud event: " + facts.error().message, message.topic);
    return std::nullopt;
  }
  if (has_expired(facts->expiration, std::chrono::system_clock::now())) {
    warn(delivering, "dropping expired pub/sub event " + facts->id + " as of " + facts->expiration, message.topic);
    return std::nullopt;
  }
  return std::move(*facts);
}

Result<const std::string*> route_of(const Delivering& delivering, const Message& message, std::string_view event,
                                    EventForm form, std::string_view id) {
  Result<const std::string*> route = delivering.routes.find(event, form);
  if (!route && delivering.log) {
    delivering.log->error(kScope, "error finding matching route for event: " + route.error().message,
                          {{"pubsub", delivering.pubsub}, {"topic", message.topic}, {"id", id}});
  }
  return route;
}

void settle(const std::shared_ptr<const Delivering>& delivering, const Message& message, const Result<Verdict>& verdict,
            Completion<Verdict> done) {
  if (!verdict) warn(*delivering, "cannot deliver to the app: " + verdict.error().message, message.topic);
  if (verdict && *verdict == Verdict::kSuccess) return done(Verdict::kSuccess);
  // The app is going away: the message stays with the broker.
  if (!verdict && verdict.error().code == Code::kCancelled) return done(Verdict::kRetry);
  const Verdict otherwise = verdict && *verdict == Verdict::kDrop ? Verdict::kDrop : Verdict::kRetry;
  give_up(delivering, message, otherwise, std::move(done));
}

void deliver(std::shared_ptr<const Delivering> delivering, Message message, Completion<Verdict> done) {
  TraceContext trace = trace_of(message.metadata);
  SharedBytes body = message.data;
  std::string id;
  if (delivering->raw_payload) {
    body = share(wrap_raw_payload(*message.data, delivering->pubsub, message.topic, message.metadata));
  } else {
    std::optional<EventFacts> facts = open_envelope(*delivering, message);
    if (!facts) return give_up(delivering, message, Verdict::kDrop, std::move(done));
    if (!facts->trace.traceparent.empty()) trace = std::move(facts->trace);
    id = std::move(facts->id);
  }
  const std::string* route = delivering->routes.only();
  if (route == nullptr) {
    const Result<const std::string*> found = route_of(*delivering, message, *body, EventForm::kJson, id);
    if (!found) return give_up(delivering, message, Verdict::kRetry, std::move(done));
    route = *found;
  }
  if (route == nullptr) {
    // As in daprd: what nobody asked for is no news.
    if (delivering->log) {
      delivering->log->debug(kScope, "no matching route for event; skipping",
                             {{"pubsub", delivering->pubsub}, {"topic", message.topic}, {"id", id}});
    }
    return give_up(delivering, message, Verdict::kDrop, std::move(done));
  }

  Delivery delivery{.pubsub = delivering->pubsub,
                    .topic = message.topic,
                    .route = *route,
                    .body = std::move(body),
                    .content_type = std::string(kCloudEventType),
                    .trace = std::move(trace),
                    .metadata = message.metadata,
                    .give_up_by = message.give_up_by};
  delivery.metadata.insert_or_assign("pubsubName", delivering->pubsub);
  const Delivering& here = *delivering;
  Completion<Verdict> settled = [delivering, message = std::move(message),
                                 done = std::move(done)](const Result<Verdict>& verdict) mutable {
    settle(delivering, message, verdict, std::move(done));
  };
  if (here.guard == nullptr) return here.sink.deliver(std::move(delivery), std::move(settled));
  here.guard->deliver(
      here.app_id, std::move(delivery),
      [delivering](Delivery one, Completion<Verdict> ended) {
        delivering->sink.deliver(std::move(one), std::move(ended));
      },
      std::move(settled));
}

}  // namespace tandem::pubsub
