#include "config/component_metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/number.h"
#include "config/duration.h"
#include "config/map_reader.h"
#include "config/text.h"
#include "config/yaml.h"

namespace tandem::config {
namespace {

std::optional<double> to_number(std::string_view text) {
  const std::optional<double> value = parse_number<double>(text);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

std::optional<bool> to_bool(std::string_view text) {
  if (is_truthy(text)) return true;
  for (std::string_view word : {"n", "no", "false", "f", "off", "0", ""}) {
    if (equals_ignoring_case(trim(text), word)) return false;
  }
  return std::nullopt;
}

// Empty when `value` is one that the field takes, else what it takes.
std::string refuse_value(const SchemaField& field, std::string_view value) {
  switch (field.type) {
    case FieldType::kNumber:
      if (!to_number(value)) return "must be a number";
      break;
    case FieldType::kBool:
      if (!to_bool(value)) return "must be true or false";
      break;
    case FieldType::kDuration:
      if (auto parsed = parse_duration_or_seconds(value); !parsed)
        return "must be a duration such as 500ms, 30s or 1h30m";
      break;
    case FieldType::kString: break;
  }
  if (!field.allowed_values.empty()) {
    bool listed = std::any_of(field.allowed_values.begin(), field.allowed_values.end(),
                              [&](std::string_view allowed) { return equals_ignoring_case(allowed, value); });
    if (!listed) return fmt::format("must be one of {}", fmt::join(field.allowed_values, ", "));
  }
  return {};
}

SchemaField read_field(const YamlNode& node, const std::string& path, const std::string& source,
                       Diagnostics& diagnostics) {
  MapReader reader(&node, path, source, diagnostics, UnknownKeys::kRefuse);
  SchemaField field;
  field.name = reader.required_text("name");
  field.aliases = reader.texts("aliases");
  std::string type = reader.choice("type", {"string", "number", "bool", "duration"}).value_or("string");
  if (type == "number") field.type = FieldType::kNumber;
  if (type == "bool") field.type = FieldType::kBool;
  if (type == "duration") field.type = FieldType::kDuration;
  field.required = reader.boolean("required").value_or(false);
  field.sensitive = reader.boolean("sensitive").value_or(false);
  field.description = reader.text_or("description", "");
  field.default_value = reader.text("default");
  field.allowed_values = reader.texts("allowedValues");
  field.example = reader.text_or("example", "");
  for (std::string_view key : {"url", "binding", "deprecated"}) reader.get(key);
  if (field.default_value) {
    if (std::string why = refuse_value(field, *field.default_value); !why.empty()) {
      diagnostics.error(reader.position(),
                        fmt::format("{}: the default \"{}\" {}", path, printable(*field.default_value), why));
    }
  }
  reader.finish();
  return field;
}

ComponentSchema read_schema(const YamlNode& document, const std::string& source, Diagnostics& diagnostics) {
  MapReader reader(&document, "", source, diagnostics, UnknownKeys::kRefuse);
  ComponentSchema schema;
  if (reader.required_text("schemaVersion") != "v1") diagnostics.error(reader.position(), "schemaVersion must be v1");
  schema.type = reader.required_text("type");
  schema.name = reader.required_text("name");
  schema.version = reader.required_text("version");
  schema.status = reader.choice("status", {"stable", "beta", "alpha", "development-only"}).value_or("");
  schema.title = reader.text_or("title", "");
  schema.description = reader.text_or("description", "");
  schema.capabilities = reader.texts("capabilities");
  reader.get("urls");
  reader.get("binding");
  auto read_fields = [&](const YamlNode* list, const std::string& path) {
    std::vector<SchemaField> fields;
    for (std::size_t i = 0; list && i < list->items.size(); ++i) {
      fields.push_back(read_field(*list->items[i], fmt::format("{}[{}]", path, i), source, diagnostics));
    }
    return fields;
  };
  const YamlNode* metadata = reader.sequence("metadata");
  for (SchemaField& field : read_fields(metadata, "metadata")) {
    if (schema.find(field.name) != nullptr) {
      diagnostics.error(reader.position(*metadata), fmt::format("metadata \"{}\" is described twice", field.name));
    }
    schema.fields.push_back(std::move(field));
  }
  // A user picks one authentication profile, so only what every profile requires is required. Profiles may share keys.
  if (const YamlNode* profiles = reader.sequence("authenticationProfiles")) {
    std::map<std::string, std::size_t> required_by;
    for (std::size_t i = 0; i < profiles->items.size(); ++i) {
      MapReader profile(profiles->items[i].get(), fmt::format("authenticationProfiles[{}]", i), source, diagnostics,
                        UnknownKeys::kRefuse);
      profile.get("title");
      profile.get("description");
      for (SchemaField& field : read_fields(profile.sequence("metadata"), profile.path_of("metadata"))) {
        if (field.required && ++required_by[field.name] < profiles->items.size()) field.required = false;
        auto known = std::find_if(schema.fields.begin(), schema.fields.end(),
                                  [&](const SchemaField& other) { return other.name == field.name; });
        if (known == schema.fields.end()) {
          schema.fields.push_back(std::move(field));
        } else {
          known->required = known->required || field.required;
        }
      }
      profile.finish();
    }
  }
  reader.finish();
  return schema;
}

}  // namespace

bool is_truthy(std::string_view text) {
  std::string_view word = trim(text);
  for (std::string_view truth : {"y", "yes", "true", "t", "on", "1"}) {
    if (equals_ignoring_case(word, truth)) return true;
  }
  return false;
}

bool ComponentSchema::has_capability(std::string_view capability) const {
  return std::find(capabilities.begin(), capabilities.end(), capability) != capabilities.end();
}

const SchemaField* ComponentSchema::find(std::string_view field) const {
  for (const SchemaField& candidate : fields) {
    if (equals_ignoring_case(candidate.name, field)) return &candidate;
    for (const std::string& alias : candidate.aliases) {
      if (equals_ignoring_case(alias, field)) return &candidate;
    }
  }
  return nullptr;
}

Result<ComponentSchema> parse_component_schema(std::string_view text, const std::string& source) {
  Diagnostics diagnostics;
  auto documents = parse_yaml(text, source, diagnostics);
  ComponentSchema schema;
  if (documents.size() == 1) {
    schema = read_schema(*documents[0], source, diagnostics);
  } else if (!diagnostics.has_errors()) {
    diagnostics.error({source, 0, 0}, "one YAML document is expected");
  }
  if (diagnostics.has_errors()) return fail(Code::kInvalidArgument, diagnostics.to_string());
  return schema;
}

MetadataReader check(const Component& component, const ComponentSchema& schema, Diagnostics& diagnostics) {
  MetadataReader reader;
  for (const SchemaField& field : schema.fields) {
    reader.canonical_[to_lower(field.name)] = field.name;
    for (const std::string& alias : field.aliases) reader.canonical_[to_lower(alias)] = field.name;
    if (field.default_value) reader.values_[field.name] = *field.default_value;
  }
  std::vector<std::string_view> names;
  for (const SchemaField& field : schema.fields) names.push_back(field.name);

  for (const MetadataItem& item : component.metadata) {
    if (item.name.empty()) continue;  // reported when it was read
    const SchemaField* field = schema.find(item.name);
    if (field == nullptr) {
      if (schema.keys == ComponentSchema::Keys::kListed) {
        std::string_view close = closest_match(item.name, names);
        diagnostics.warning(
            component.position(item),
            fmt::format("{} has no metadata \"{}\"; it is ignored{}", component.type, printable(item.name),
                        close.empty() ? "" : fmt::format(". Did you mean \"{}\"?", close)));
      }
      reader.canonical_.try_emplace(to_lower(item.name), item.name);
      reader.values_[item.name] = item.value;
      reader.given_[item.name] = true;
      continue;
    }
    // An empty value is as good as none: the default holds.
    if (item.value.empty() && field->type != FieldType::kString) continue;
    if (std::string why = refuse_value(*field, item.value); !why.empty()) {
      std::string shown =
          field->sensitive || item.secret_key_ref ? "" : fmt::format(", not \"{}\"", printable(item.value));
      diagnostics.error(component.position(item),
                        fmt::format("component \"{}\": {} {}{}", printable(component.name), field->name, why, shown));
      continue;
    }
    reader.values_[field->name] = item.value;
    reader.given_[field->name] = true;
  }
  for (const SchemaField& field : schema.fields) {
    if (!field.required) continue;
    const MetadataItem* item = nullptr;
    for (const MetadataItem& candidate : component.metadata) {
      if (schema.find(candidate.name) == &field) item = &candidate;
    }
    // A reference that could not be resolved was reported as such.
    bool missing = item == nullptr || (item->value.empty() && !item->secret_key_ref && !item->env_ref);
    if (missing) {
      diagnostics.error(
          item ? component.position(*item) : component.position(),
          fmt::format("component \"{}\" ({}) needs metadata \"{}\"{}", printable(component.name), component.type,
                      field.name, field.description.empty() ? "" : ": " + field.description));
    }
  }
  return reader;
}

const std::string* MetadataReader::lookup(std::string_view key) const {
  auto canonical = canonical_.find(to_lower(key));
  if (canonical == canonical_.end()) return nullptr;
  auto value = values_.find(canonical->second);
  return value == values_.end() ? nullptr : &value->second;
}

std::string MetadataReader::get_string(std::string_view key, std::string_view fallback) const {
  const std::string* value = lookup(key);
  return value ? *value : std::string(fallback);
}

bool MetadataReader::get_bool(std::string_view key, bool fallback) const {
  const std::string* value = lookup(key);
  return value ? to_bool(*value).value_or(fallback) : fallback;
}

std::int64_t MetadataReader::get_int(std::string_view key, std::int64_t fallback) const {
  const std::string* value = lookup(key);
  auto number = value ? to_number(*value) : std::nullopt;
  if (!number || *number < -9.2e18 || *number > 9.2e18) return fallback;
  return static_cast<std::int64_t>(*number);
}

double MetadataReader::get_double(std::string_view key, double fallback) const {
  const std::string* value = lookup(key);
  return value ? to_number(*value).value_or(fallback) : fallback;
}

std::chrono::nanoseconds MetadataReader::get_duration(std::string_view key, std::chrono::nanoseconds fallback) const {
  const std::string* value = lookup(key);
  if (value == nullptr) return fallback;
  auto duration = parse_duration_or_seconds(*value);
  return duration ? *duration : fallback;
}

bool MetadataReader::has(std::string_view key) const {
  auto canonical = canonical_.find(to_lower(key));
  return canonical != canonical_.end() && given_.contains(canonical->second);
}

}  // namespace tandem::config
