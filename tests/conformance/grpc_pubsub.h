// The pub/sub suite's way through gRPC: events published at an app's gRPC port, delivered to an app that speaks gRPC
// and declares its subscriptions in its answer to ListTopicSubscriptions.
#pragma once

#include <memory>
#include <string>

#include "pubsub_driver.h"

namespace tandem::conformance {

// `folder` below src/components, with a conformance.yaml. Null after a failed expectation.
std::unique_ptr<PubsubDriver> make_grpc_pubsub(const std::string& folder);

}  // namespace tandem::conformance
