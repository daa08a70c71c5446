// An envelope as the fields in which Dapr's gRPC API hands an event to an app: the attributes, the data as bytes, all
// other members as extensions.
//
// A pure function; any thread; never throws. Source: daprd 1.18.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tandem::pubsub {

struct EventFields {
  std::string id;
  std::string source;
  std::string type;
  std::string spec_version;
  std::string data_content_type;
  std::string data;
  std::string extensions;  // a JSON object
};

// Fails with kInvalidArgument when `envelope` is no JSON object, or its data are not what their content type says: the
// event is tried again, as in daprd.
Result<EventFields> event_fields(std::string_view envelope);

}  // namespace tandem::pubsub
