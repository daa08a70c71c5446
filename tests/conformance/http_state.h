// The state suite's way through Dapr's HTTP API: the same cases, as requests and answers of the Dapr port.
#pragma once

#include <memory>
#include <string>

#include "state_driver.h"

namespace tandem::conformance {

// `folder` below src/components, with a conformance.yaml. Null after a failed expectation.
std::unique_ptr<StateDriver> make_http_state(const std::string& folder);

}  // namespace tandem::conformance
