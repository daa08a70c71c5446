// The resiliency policies for what comes in: events of topics on their way to an app. A delivery that the app does not
// take is tried again before it goes to the dead-letter topic or back to its broker.
//
// Owned by the server beside the service that it serves, and outlives it. put() comes before the component's first
// event, and again when the component is replaced; any thread. Deliveries end where the app's answer comes, or on the
// guards' timers.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "blocks/pubsub/pubsub_service.h"
#include "blocks/registry.h"
#include "policy/app_protections.h"

namespace tandem::policy {

class EventPolicies final : public pubsub::DeliveryGuard {
 public:
  // Of a component's events.
  void put(std::string pubsub, AppProtections protections) {
    if (protections.empty()) return static_cast<void>(pubsubs_.remove(pubsub));
    pubsubs_.put(std::move(pubsub), std::move(protections));
  }

  void deliver(std::string_view app_id, pubsub::Delivery delivery, Attempt attempt,
               Completion<pubsub::Verdict> done) override;
  void deliver_bulk(std::string_view app_id, pubsub::BulkDelivery delivery, BulkAttempt attempt,
                    Completion<std::vector<pubsub::Verdict>> done) override;

 private:
  // Nothing: there are no policies.
  Protection find(std::string_view pubsub, std::string_view app_id) const;

  Registry<AppProtections> pubsubs_;
};

}  // namespace tandem::policy
