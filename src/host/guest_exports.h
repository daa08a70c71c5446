// What comes to a guest by which of its exports.
//
// Read once from a module's names, at start. Plain values; any thread.
#pragma once

#include <vector>

#include "engine/runtime.h"

namespace tandem::host {

// The export that takes the events of topics; of several, the first in this order.
enum class TopicExport {
  kNone,
  kDapr,       // tandem:dapr/topic-handler
  kWasmcloud,  // wasmcloud:messaging/handler
  kWasi,       // wasi:messaging/incoming-handler
};

struct GuestExports {
  bool http = true;  // wasi:http/incoming-handler, or a command that is run for a request
  TopicExport topics = TopicExport::kNone;
  bool bindings = false;       // tandem:dapr/binding-handler
  bool configuration = false;  // tandem:dapr/configuration-handler

  bool any_topic() const { return topics != TopicExport::kNone; }
  bool any_event() const { return any_topic() || bindings || configuration; }
};

// Whether this is an export by which events come, whatever its kind.
bool takes_events(const engine::Name& name);

GuestExports exports_of(engine::ModuleKind kind, const std::vector<engine::Name>& names);

}  // namespace tandem::host
