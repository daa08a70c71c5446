// The state block's requests and answers as messages of dapr.proto.components.v1.
//
// Plain functions, any thread, never throw.
#pragma once

#include <string>
#include <vector>

#include "blocks/state/state_store.h"
#include "dapr/proto/components/v1/state.pb.h"

namespace tandem::components::grpc {

::dapr::proto::components::v1::StateOptions::StateConsistency to_wire(state::Consistency consistency);
void to_wire(state::SetRequest request, ::dapr::proto::components::v1::SetRequest& message);
void to_wire(state::DeleteRequest request, ::dapr::proto::components::v1::DeleteRequest& message);

// An answer without data and without an ETag is that of a key that is not there.
state::GetResponse to_value(::dapr::proto::components::v1::GetResponse& message);
// In the order of `keys`, whatever that of the answer is; a key that the answer leaves out is not there.
std::vector<state::BulkGetItem> to_items(std::vector<std::string> keys,
                                         ::dapr::proto::components::v1::BulkGetResponse& message);

}  // namespace tandem::components::grpc
