#include "host/guest_exports.h"

#include <algorithm>
#include <string_view>

namespace tandem::host {
namespace {

// 0.1.x of an interface is the interface.
constexpr std::string_view kTopics = "tandem:dapr/topic-handler@0.1.";
constexpr std::string_view kWasmcloud = "wasmcloud:messaging/handler@0.2.";
constexpr std::string_view kWasi = "wasi:messaging/incoming-handler@0.2.0-draft";
constexpr std::string_view kBindings = "tandem:dapr/binding-handler@0.1.";
constexpr std::string_view kConfiguration = "tandem:dapr/configuration-handler@0.1.";

bool is_export(const engine::Name& name, std::string_view interface) {
  return name.direction == engine::Name::Direction::kExport && name.name.starts_with(interface);
}

}  // namespace

bool takes_events(const engine::Name& name) {
  return is_export(name, kTopics) || is_export(name, kWasmcloud) || is_export(name, kWasi) ||
         is_export(name, kBindings) || is_export(name, kConfiguration);
}

GuestExports exports_of(engine::ModuleKind kind, const std::vector<engine::Name>& names) {
  const auto has = [&](std::string_view interface) {
    return std::ranges::any_of(names, [&](const engine::Name& name) { return is_export(name, interface); });
  };
  GuestExports exports;
  if (has(kTopics)) {
    exports.topics = TopicExport::kDapr;
  } else if (has(kWasmcloud)) {
    exports.topics = TopicExport::kWasmcloud;
  } else if (has(kWasi)) {
    exports.topics = TopicExport::kWasi;
  }
  exports.bindings = has(kBindings);
  exports.configuration = has(kConfiguration);
  // A component with handlers is not run as a command.
  exports.http = kind == engine::ModuleKind::kHttp || !exports.any_event();
  return exports;
}

}  // namespace tandem::host
