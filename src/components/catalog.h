// The catalog: every component that is built in, in one list, and how one is made of a user's YAML.
//
// The server owns it and makes components at start and on reload, on its own thread: opening a file may block. A new
// component is a folder, a line in component_schemas and a line in its block's list (built_in.h). A component in a
// program of its own takes the place of a built-in one of the same type, as in daprd. Mistakes in the YAML, and a
// component that cannot start, are reported to Diagnostics with file and line.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "blocks/bindings/binding_service.h"
#include "blocks/configuration/configuration_service.h"
#include "blocks/pubsub/pubsub_service.h"
#include "blocks/secrets/secret_service.h"
#include "blocks/state/state_service.h"
#include "components/component_schemas.h"
#include "components/surroundings.h"
#include "config/component.h"
#include "config/component_metadata.h"

namespace tandem::components {

class Catalog final {
 public:
  // Reads nothing: a schema is read when its component is asked for, since to read all takes a third of a start.
  static Result<Catalog> load();

  // Every component there is, by type and name. The fields that Dapr's runtime reads itself (keyPrefix, topic scopes …)
  // are among each schema's. Without those whose embedded text is broken, of which there is none.
  std::vector<config::ComponentSchema> schemas() const;
  // `type` as in YAML, "state.sqlite"; no version is v1.
  const config::ComponentSchema* find(std::string_view type, std::string_view version) const;

  // Secrets in `component` were resolved before. Nullopt: `diagnostics` says why.
  std::optional<state::StoreEntry> make_store(const config::Component& component, const Surroundings& surroundings,
                                              config::Diagnostics& diagnostics) const;
  std::optional<pubsub::BrokerEntry> make_broker(const config::Component& component, const Surroundings& surroundings,
                                                 config::Diagnostics& diagnostics) const;
  std::optional<secrets::StoreEntry> make_secret_store(const config::Component& component,
                                                       const Surroundings& surroundings,
                                                       config::Diagnostics& diagnostics) const;
  std::optional<configuration::StoreEntry> make_configuration_store(const config::Component& component,
                                                                    const Surroundings& surroundings,
                                                                    config::Diagnostics& diagnostics) const;

  // Without what the component's `direction` leaves out.
  std::optional<bindings::BindingEntry> make_binding(const config::Component& component,
                                                     const Surroundings& surroundings,
                                                     config::Diagnostics& diagnostics) const;

 private:
  Catalog() = default;
  // What a component is made by: a line of the catalog, or a program of its own, whose keys are its own.
  struct Source {
    const config::ComponentSchema* built_in = nullptr;
    config::ComponentSchema pluggable;

    const config::ComponentSchema& schema() const { return built_in != nullptr ? *built_in : pluggable; }
  };
  std::optional<Source> find_or_report(const config::Component& component, std::string_view block,
                                       const Surroundings& surroundings, config::Diagnostics& diagnostics) const;

  // A component and its schema, once that was asked for.
  struct Line {
    std::string_view type;
    const EmbeddedSchema* text = nullptr;
    std::unique_ptr<const config::ComponentSchema> schema;
  };
  struct Lines {
    std::mutex mutex;  // of the schemas
    std::vector<Line> all;
  };
  static const config::ComponentSchema* schema_of(Line& line);

  std::unique_ptr<Lines> lines_ = std::make_unique<Lines>();
};

}  // namespace tandem::components
