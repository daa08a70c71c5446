// The state suite's way through Dapr's gRPC API: the same cases, as calls of an app's gRPC port.
#pragma once

#include <memory>
#include <string>

#include "state_driver.h"

namespace tandem::conformance {

// `folder` below src/components, with a conformance.yaml. Null after a failed expectation.
std::unique_ptr<StateDriver> make_grpc_state(const std::string& folder);

}  // namespace tandem::conformance
