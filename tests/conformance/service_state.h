// The state suite's shortest way in: StateService itself, over a component of the catalog.
#pragma once

#include <memory>
#include <string>

#include "state_driver.h"

namespace tandem::conformance {

// `folder` below src/components, with a conformance.yaml. Null after a failed expectation.
std::unique_ptr<StateDriver> make_service_state(const std::string& folder);

}  // namespace tandem::conformance
