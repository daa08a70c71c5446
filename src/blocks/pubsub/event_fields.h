// An envelope as the fields in which an app is handed an event: the attributes, the data as bytes, all other members as
// extensions.
//
// Pure functions; any thread; never throw.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tandem::pubsub {

// As Dapr's gRPC API has them (daprd 1.18).
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

// As a guest has them by tandem:dapr/topic-handler.
struct TypedEvent {
  std::string id;
  std::string source;
  std::string type;
  std::string spec_version;
  std::string data_content_type;
  std::string data;  // as it was published: of JSON its text, of a string its characters
  std::vector<std::pair<std::string, std::string>> attributes;  // by name; a string as its characters, all else as JSON
};

// Fails as event_fields() does.
Result<TypedEvent> typed_event(std::string_view envelope);

}  // namespace tandem::pubsub
