// ComponentSchema: a component's metadata.yaml, and MetadataReader: a user's component, checked against it and typed.
//
// metadata.yaml (Dapr's schema) is the only statement of a component's keys, types, defaults and capabilities. A
// catalog owns the schemas; check() reports every mistake in the user's YAML with file and line. Immutable after
// parsing; any thread. Never throws.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "config/component.h"
#include "config/diagnostics.h"

namespace tandem::config {

enum class FieldType { kString, kNumber, kBool, kDuration };

struct SchemaField {
  std::string name;
  std::vector<std::string> aliases;
  FieldType type = FieldType::kString;
  bool required = false;
  bool sensitive = false;
  std::string description;
  std::optional<std::string> default_value;
  std::vector<std::string> allowed_values;
  std::string example;
};

struct ComponentSchema {
  std::string type;     // "state": the block
  std::string name;     // "sqlite"
  std::string version;  // "v1"
  std::string status;   // "stable", "beta", "alpha"
  std::string title;
  std::string description;
  std::vector<std::string> capabilities;
  std::vector<SchemaField> fields;
  // Whether other keys are the component's own business: kOpen where it is a program that nobody here knows.
  enum class Keys { kListed, kOpen } keys = Keys::kListed;

  std::string full_type() const { return type + "." + name; }
  bool has_capability(std::string_view capability) const;
  // By name or alias, without regard to case.
  const SchemaField* find(std::string_view field) const;
};

// `source` names the text in messages. Fails with kInvalidArgument; all mistakes are in the message.
Result<ComponentSchema> parse_component_schema(std::string_view text, const std::string& source);

// Values of one component, defaults filled in. Every getter's value was checked, so it cannot fail: a key that the
// schema does not have, or asked for with another type than the schema's, gives the fallback.
class MetadataReader final {
 public:
  std::string get_string(std::string_view key, std::string_view fallback = {}) const;
  bool get_bool(std::string_view key, bool fallback = false) const;
  std::int64_t get_int(std::string_view key, std::int64_t fallback = 0) const;
  double get_double(std::string_view key, double fallback = 0) const;
  std::chrono::nanoseconds get_duration(std::string_view key, std::chrono::nanoseconds fallback = {}) const;
  // True when the user wrote it: a default does not count.
  bool has(std::string_view key) const;
  // All values with the schema's spelling of the names, defaults included; unknown keys as the user spelled them.
  const Metadata& all() const { return values_; }

 private:
  friend MetadataReader check(const Component&, const ComponentSchema&, Diagnostics&);
  const std::string* lookup(std::string_view key) const;

  Metadata values_;                               // canonical name -> text
  std::map<std::string, std::string> canonical_;  // lower-case name or alias -> canonical name
  std::map<std::string, bool> given_;             // canonical name -> written by the user
};

// Unknown keys are warnings (Dapr ignores them), unless the schema is open; a bad number, bool or duration, a value
// that is not allowed and a missing required key are errors. Secrets must have been resolved before.
MetadataReader check(const Component& component, const ComponentSchema& schema, Diagnostics& diagnostics);

// Dapr's truth: y, yes, true, t, on, 1 in any case. Anything else is false.
bool is_truthy(std::string_view text);

}  // namespace tandem::config
