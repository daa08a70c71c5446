// The pub/sub suite's shortest way: PubsubService itself, and an EventSink in place of an app.
#pragma once

#include <memory>
#include <string>

#include "pubsub_driver.h"

namespace tandem::conformance {

// `folder` below src/components, with a conformance.yaml. Null after a failed expectation.
std::unique_ptr<PubsubDriver> make_service_pubsub(const std::string& folder);

}  // namespace tandem::conformance
