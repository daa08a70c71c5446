// Whether bytes are a CloudEvent of protobuf's format (io.cloudevents.v1.CloudEvent): Dapr packs application/x-protobuf
// as bytes when they are, and as text otherwise. A pure function; any thread.
#pragma once

#include <string_view>

namespace tandem::pubsub {

// The message's own fields are looked at, not what is inside of its attributes.
bool is_protobuf_event(std::string_view data);

}  // namespace tandem::pubsub
