// What a pub/sub plug-in implements: bytes in by topic, bytes out to subscribers, at least once.
//
// The envelope (CloudEvents), scopes and routing are PubsubService's; a broker moves opaque messages.
// Threads: publish from any worker; subscribe and close from the server's thread. A completion may run in place.
// Source: https://docs.dapr.io/reference/api/pubsub_api/.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/call_context.h"
#include "base/completion.h"

namespace tandem::pubsub {

struct PublishRequest {
  std::string topic;
  SharedBytes data;
  std::string content_type;  // of `data` as it travels, e.g. application/cloudevents+json
  Metadata metadata;         // ttlInSeconds, rawPayload, …
};

struct BulkPublishFailure {
  std::string entry_id;
  Error error;
};

struct Message {
  std::string topic;
  SharedBytes data;
  std::string content_type;
  Metadata metadata;
  // The broker takes the message back then and gives it out again: nobody need try any longer. max: it never does.
  SteadyTime give_up_by = SteadyTime::max();
};

// What the subscriber made of a message. kRetry: the broker delivers it again; kDrop: never again (to the dead-letter
// topic first, when there is one: PubsubService does that).
enum class Verdict { kSuccess, kRetry, kDrop };

// Called by the broker for each message, on whatever thread the broker has; the completion may run later, on another.
using MessageHandler = std::function<void(Message, Completion<Verdict>)>;

class Broker {
 public:
  virtual ~Broker() = default;

  virtual void publish(const CallContext& context, PublishRequest request, Completion<void> done) = 0;

  // Several messages of one topic; `done` gets what became of each, in their order. Without a way of its own a broker
  // publishes one after the other.
  virtual void publish_bulk(const CallContext& context, std::vector<PublishRequest> requests,
                            Completion<std::vector<Status>> done);

  // Delivers messages of `topic` to `handler` until the subscription is destroyed; that waits for no delivery that is
  // under way. `consumer_group` is the app id: members of one group share the messages.
  class Subscription {
   public:
    virtual ~Subscription() = default;
  };
  virtual Result<std::unique_ptr<Subscription>> subscribe(std::string topic, std::string consumer_group,
                                                          Metadata metadata, MessageHandler handler) = 0;
  // The same for a handler that gathers messages and may keep up to `count` before it completes any. A broker that
  // gives out one after the other has to give out more of them then.
  virtual Result<std::unique_ptr<Subscription>> subscribe_bulk(std::string topic, std::string consumer_group,
                                                               Metadata metadata, std::size_t count,
                                                               MessageHandler handler) {
    return subscribe(std::move(topic), std::move(consumer_group), std::move(metadata), std::move(handler));
  }

  virtual void close(SteadyTime deadline) {}
};

}  // namespace tandem::pubsub
