// The state suite's way through a guest: the same cases, as calls of tandem:dapr/state from inside it.
#pragma once

#include <memory>
#include <string>

#include "state_driver.h"

namespace tandem::conformance {

// `folder` below src/components, with a conformance.yaml. Null after a failed expectation.
std::unique_ptr<StateDriver> make_guest_state(const std::string& folder);

}  // namespace tandem::conformance
