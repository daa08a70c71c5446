#include "components/catalog.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "components/bindings/direction.h"
#include "components/built_in.h"
#include "components/component_schemas.h"
#include "components/runtime_fields.h"

namespace tandem::components {
namespace {

using config::Component;
using config::ComponentSchema;
using config::Diagnostics;
using config::MetadataReader;
using config::SchemaField;

void report_failure(const Component& component, const Error& error, Diagnostics& diagnostics) {
  diagnostics.error(component.position(),
                    "component \"" + component.name + "\" (" + component.type + "): " + error.message);
}

// Hands over what was made, or says why it was not.
template <class Made, class Take>
Status take(Result<Made> made, Take hand_over) {
  if (!made) return fail(std::move(made.error()));
  hand_over(std::move(*made));
  return {};
}

// A program of its own has one consumer group, which cannot be named after several apps.
Result<PluggableBroker> make_pluggable_broker(const Component& component, const MetadataReader& metadata,
                                              const Surroundings& surroundings) {
  if (surroundings.app_id.empty() && metadata.get_string("consumerID").empty()) {
    return fail(
        Code::kInvalidArgument,
        "several apps may use it, and a pluggable pub/sub has one consumer group: set consumerID, or scopes with "
        "one app");
  }
  return surroundings.pluggable->make_broker(component, surroundings.app_id);
}

Pluggable::Parts parts_of(const BindingDirection& direction) {
  if (direction.input && direction.output) return Pluggable::Parts::kBoth;
  return direction.input ? Pluggable::Parts::kInput : Pluggable::Parts::kOutput;
}

}  // namespace

Result<Catalog> Catalog::load() {
  Catalog catalog;
  const auto list = [&](const auto& lines) {
    for (const auto& line : lines) catalog.lines_->all.push_back({.type = line.type, .text = &line.schema});
  };
  list(built_in_stores());
  list(built_in_brokers());
  list(built_in_secret_stores());
  list(built_in_configuration_stores());
  list(built_in_bindings());
  return catalog;
}

const ComponentSchema* Catalog::schema_of(Line& line) {
  if (line.schema == nullptr) {
    Result<ComponentSchema> schema = config::parse_component_schema(line.text->text, std::string(line.text->source));
    if (!schema) return nullptr;
    for (SchemaField& field : runtime_fields(schema->type)) schema->fields.push_back(std::move(field));
    line.schema = std::make_unique<const ComponentSchema>(std::move(*schema));
  }
  return line.schema.get();
}

std::vector<ComponentSchema> Catalog::schemas() const {
  std::vector<ComponentSchema> schemas;
  const std::lock_guard lock(lines_->mutex);
  for (Line& line : lines_->all) {
    if (const ComponentSchema* const schema = schema_of(line)) schemas.push_back(*schema);
  }
  std::ranges::sort(schemas, {},
                    [](const ComponentSchema& schema) { return std::pair(schema.full_type(), schema.version); });
  return schemas;
}

const ComponentSchema* Catalog::find(std::string_view type, std::string_view version) const {
  const std::lock_guard lock(lines_->mutex);
  for (Line& line : lines_->all) {
    if (line.type != type) continue;
    const ComponentSchema* const schema = schema_of(line);
    if (schema != nullptr && (version.empty() || schema->version == version)) return schema;
  }
  return nullptr;
}

std::optional<Catalog::Source> Catalog::find_or_report(const Component& component, std::string_view block,
                                                       const Surroundings& surroundings,
                                                       Diagnostics& diagnostics) const {
  const ComponentSchema* const built_in = find(component.type, component.version);
  const bool known = built_in != nullptr && built_in->type == block;
  if (surroundings.pluggable != nullptr) {
    const Result<bool> served = surroundings.pluggable->serves(component);
    if (served && *served) {
      Source source;
      source.pluggable = {.type = std::string(block), .name = component.type.substr(component.type.find('.') + 1)};
      source.pluggable.fields = runtime_fields(block);
      source.pluggable.keys = ComponentSchema::Keys::kOpen;
      return source;
    }
    if (!served && !known) {
      report_failure(component, served.error(), diagnostics);
      return std::nullopt;
    }
    if (!served) {
      diagnostics.warning(component.position(), "component \"" + component.name + "\": the built-in " + component.type +
                                                    " is used; " + served.error().message);
    }
  }
  if (known) return Source{.built_in = built_in};
  std::string names;
  for (const ComponentSchema& schema : schemas()) {
    if (schema.type != block) continue;
    names += (names.empty() ? "" : ", ") + schema.full_type() + "/" + schema.version;
  }
  std::string missing = "component \"" + component.name + "\": there is no " + component.type + "/" +
                        component.version + "; built in: " + names;
  if (surroundings.pluggable != nullptr) {
    missing += "; no socket in " + surroundings.pluggable->folder() + " serves it either";
  }
  diagnostics.error(component.position(), std::move(missing));
  return std::nullopt;
}

std::optional<state::StoreEntry> Catalog::make_store(const Component& component, const Surroundings& surroundings,
                                                     Diagnostics& diagnostics) const {
  const auto source = find_or_report(component, "state", surroundings, diagnostics);
  if (!source) return std::nullopt;
  const std::size_t errors = diagnostics.error_count();
  const MetadataReader metadata = config::check(component, source->schema(), diagnostics);
  if (diagnostics.error_count() > errors) return std::nullopt;

  const Result<state::KeyPrefixChoice> prefix = state::parse_key_prefix(metadata.get_string("keyPrefix"));
  if (!prefix) {
    report_failure(component, prefix.error(), diagnostics);
    return std::nullopt;
  }
  state::StoreEntry entry{
      .name = component.name, .prefix = prefix->prefix, .custom_prefix = prefix->custom, .scopes = component.scopes};
  Status made;
  if (source->built_in == nullptr) {
    made = take(surroundings.pluggable->make_store(component), [&](PluggableStore store) {
      entry.store = std::move(store.store);
      entry.capabilities = std::move(store.features);
    });
  } else {
    const BuiltInStore& line =
        *std::ranges::find(built_in_stores(), source->built_in->full_type(), &BuiltInStore::type);
    made = take(line.make({component, metadata, surroundings}), [&](auto store) { entry.store = std::move(store); });
  }
  if (!made) {
    report_failure(component, made.error(), diagnostics);
    return std::nullopt;
  }
  return entry;
}

std::optional<pubsub::BrokerEntry> Catalog::make_broker(const Component& component, const Surroundings& surroundings,
                                                        Diagnostics& diagnostics) const {
  const auto source = find_or_report(component, "pubsub", surroundings, diagnostics);
  if (!source) return std::nullopt;
  const std::size_t errors = diagnostics.error_count();
  const MetadataReader metadata = config::check(component, source->schema(), diagnostics);
  if (diagnostics.error_count() > errors) return std::nullopt;

  pubsub::BrokerEntry entry{
      .name = component.name, .scopes = component.scopes, .topic_scopes = pubsub::parse_topic_scopes(metadata.all())};
  Status made;
  if (source->built_in == nullptr) {
    made = take(make_pluggable_broker(component, metadata, surroundings), [&](PluggableBroker broker) {
      entry.broker = std::move(broker.broker);
      entry.capabilities = std::move(broker.features);
    });
  } else {
    const BuiltInBroker& line =
        *std::ranges::find(built_in_brokers(), source->built_in->full_type(), &BuiltInBroker::type);
    made = take(line.make({component, metadata, surroundings}), [&](auto broker) { entry.broker = std::move(broker); });
    if (!line.capability.empty()) entry.capabilities.emplace_back(line.capability);
  }
  if (!made) {
    report_failure(component, made.error(), diagnostics);
    return std::nullopt;
  }
  return entry;
}

std::optional<bindings::BindingEntry> Catalog::make_binding(const Component& component,
                                                            const Surroundings& surroundings,
                                                            Diagnostics& diagnostics) const {
  const auto source = find_or_report(component, "bindings", surroundings, diagnostics);
  if (!source) return std::nullopt;
  const std::size_t errors = diagnostics.error_count();
  const MetadataReader metadata = config::check(component, source->schema(), diagnostics);
  if (diagnostics.error_count() > errors) return std::nullopt;

  const BindingDirection direction = parse_direction(metadata.get_string("direction"));
  bindings::BindingEntry entry{.name = component.name,
                               .route = metadata.get_string("route"),
                               .reader = direction.reader,
                               .scopes = component.scopes};
  Status made;
  if (source->built_in == nullptr) {
    if (direction.input || direction.output) {
      made = take(surroundings.pluggable->make_binding(component, parts_of(direction)), [&](PluggableBinding parts) {
        entry.input = std::move(parts.input);
        entry.output = std::move(parts.output);
      });
    }
  } else {
    const BuiltInBinding& line =
        *std::ranges::find(built_in_bindings(), source->built_in->full_type(), &BuiltInBinding::type);
    const Making making{component, metadata, surroundings};
    if (line.input != nullptr && direction.input) {
      made = take(line.input(making), [&](auto input) { entry.input = std::move(input); });
    }
    if (made && line.output != nullptr && direction.output) {
      made = take(line.output(making), [&](auto output) { entry.output = std::move(output); });
    }
  }
  if (!made) {
    report_failure(component, made.error(), diagnostics);
    return std::nullopt;
  }
  if (entry.input == nullptr && entry.output == nullptr) {
    diagnostics.warning(component.position(), "component \"" + component.name + "\" (" + component.type +
                                                  "): its direction leaves nothing of it to use");
  }
  return entry;
}

std::optional<secrets::StoreEntry> Catalog::make_secret_store(const Component& component,
                                                              const Surroundings& surroundings,
                                                              Diagnostics& diagnostics) const {
  const auto source = find_or_report(component, "secretstores", surroundings, diagnostics);
  if (!source) return std::nullopt;
  const std::size_t errors = diagnostics.error_count();
  const MetadataReader metadata = config::check(component, source->schema(), diagnostics);
  if (diagnostics.error_count() > errors) return std::nullopt;
  Result<std::unique_ptr<secrets::Store>> store;
  if (source->built_in == nullptr) {
    store = surroundings.pluggable->make_secret_store(component);
  } else {
    const BuiltInSecretStore& line =
        *std::ranges::find(built_in_secret_stores(), source->built_in->full_type(), &BuiltInSecretStore::type);
    store = line.make({component, metadata, surroundings});
  }
  if (!store) {
    report_failure(component, store.error(), diagnostics);
    return std::nullopt;
  }
  return secrets::StoreEntry{.name = component.name, .store = std::move(*store), .scopes = component.scopes};
}

std::optional<configuration::StoreEntry> Catalog::make_configuration_store(const Component& component,
                                                                           const Surroundings& surroundings,
                                                                           Diagnostics& diagnostics) const {
  const auto source = find_or_report(component, "configuration", surroundings, diagnostics);
  if (!source) return std::nullopt;
  const std::size_t errors = diagnostics.error_count();
  const MetadataReader metadata = config::check(component, source->schema(), diagnostics);
  if (diagnostics.error_count() > errors) return std::nullopt;
  const BuiltInConfigurationStore& line = *std::ranges::find(
      built_in_configuration_stores(), source->built_in->full_type(), &BuiltInConfigurationStore::type);
  Result<std::unique_ptr<configuration::Store>> store = line.make({component, metadata, surroundings});
  if (!store) {
    report_failure(component, store.error(), diagnostics);
    return std::nullopt;
  }
  return configuration::StoreEntry{.name = component.name, .store = std::move(*store), .scopes = component.scopes};
}

}  // namespace tandem::components
