// Asks a program which gRPC services it serves, by server reflection (v1alpha, as daprd does).
//
// A plain function that waits: not on a worker.
#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>
#include <vector>

#include "base/call_context.h"
#include "base/result.h"

namespace tandem::components::grpc {

// Waits until the program listens; fails when it has not answered by `deadline`.
Result<std::vector<std::string>> list_services(const std::shared_ptr<::grpc::Channel>& channel, SteadyTime deadline);

}  // namespace tandem::components::grpc
