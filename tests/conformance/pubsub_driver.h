// How the pub/sub suite reaches a broker. The suite knows only these interfaces, so that the same cases run through
// every door: the service itself (service_pubsub.h), the HTTP API with an app behind routes (http_pubsub.h), the gRPC
// API with an app that speaks gRPC (grpc_pubsub.h), a guest's host functions with deliveries to a guest
// (guest_pubsub.h).
//
// Used by the test's thread; calls block until the answer is there.
#pragma once

#include <string>
#include <vector>

#include "blocks/pubsub/pubsub_service.h"
#include "config/subscription.h"

namespace tandem::conformance {

// What an app publishes.
struct Event {
  std::string pubsub;
  std::string topic;
  std::string data;
  std::string content_type;
  Metadata metadata;
};

// One of many to the same topic.
struct BulkEvent {
  std::string entry_id;
  std::string data;
  std::string content_type;
  Metadata metadata;
};

// What reached a subscriber.
struct Received {
  std::string route;
  std::string pubsub;
  std::string content_type;
  std::string body;
};

// An app that publishes and subscribes. Errors carry Dapr's reason; the code is the door's.
class PubsubApp {
 public:
  virtual ~PubsubApp() = default;

  virtual Result<void> publish(Event event) = 0;
  // The entry ids of those that failed. `metadata` is of the call as a whole.
  virtual Result<std::vector<std::string>> publish_many(std::string pubsub, std::string topic,
                                                        std::vector<BulkEvent> events, Metadata metadata) = 0;
  virtual Status subscribe(config::Subscription subscription) = 0;
  // Waits until so many events have come and been answered, and gives all there are, in the order in which they came;
  // fails the test when they do not come.
  virtual std::vector<Received> wait_for(std::size_t count) = 0;
};

// A door with the broker behind it, fresh and empty.
class PubsubDriver {
 public:
  virtual ~PubsubDriver() = default;

  // The broker's component.
  virtual const std::string& name() const = 0;
  // A new app that answers the events it gets with `verdicts` in turn, then with success. Lives as long as the driver.
  virtual PubsubApp& app(std::string app_id, std::vector<pubsub::Verdict> verdicts) = 0;
  virtual void stop_subscriptions() = 0;
};

}  // namespace tandem::conformance
