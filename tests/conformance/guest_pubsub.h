// The pub/sub suite's way through guests: events published by tandem:dapr/pubsub, delivered to the routes of a guest
// that declares its subscriptions in its answer to GET /dapr/subscribe.
#pragma once

#include <memory>
#include <string>

#include "pubsub_driver.h"

namespace tandem::conformance {

// `folder` below src/components, with a conformance.yaml. Null after a failed expectation.
std::unique_ptr<PubsubDriver> make_guest_pubsub(const std::string& folder);

}  // namespace tandem::conformance
