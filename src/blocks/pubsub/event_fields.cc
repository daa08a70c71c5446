#include "blocks/pubsub/event_fields.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "base/json.h"
#include "base/text.h"
#include "blocks/pubsub/json_text.h"

namespace tandem::pubsub {
namespace {

bool is_content_type(std::string_view lower, std::string_view expected) {
  return lower.starts_with(expected) && (lower.size() == expected.size() || lower[expected.size()] == ';');
}

// Without white space outside of strings, as Go writes it.
std::string compact(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (!in_string && (c == ' ' || c == '\t' || c == '\r' || c == '\n')) continue;
    out += c;
    if (c == '"') in_string = !in_string;
    if (in_string && c == '\\' && i + 1 < json.size()) out += json[++i];
  }
  return out;
}

std::string_view find(const std::vector<JsonMember>& members, std::string_view name) {
  const auto found = std::ranges::find(members, name, &JsonMember::name);
  return found == members.end() ? std::string_view() : found->value;
}

std::string text_of(const std::vector<JsonMember>& members, std::string_view name) {
  return json_string(find(members, name)).value_or("");
}

// The bytes of an event whose publisher gave them so.
Result<std::optional<std::string>> binary_data_of(const std::vector<JsonMember>& members) {
  const std::string_view value = find(members, "data_base64");
  if (value.empty() || value == "null") return std::nullopt;
  const auto text = json_string(value);
  if (!text) return fail(Code::kInvalidArgument, "unexpected data type encountered in envelope");
  auto bytes = base64_decode(*text);
  if (!bytes) return fail(Code::kInvalidArgument, "data_base64 of the event is no base64");
  return std::move(*bytes);
}

Result<std::string> data_of(const std::vector<JsonMember>& members, const std::string& content_type) {
  auto binary = binary_data_of(members);
  if (!binary) return fail(std::move(binary.error()));
  if (*binary) return std::move(**binary);
  const std::string_view value = find(members, "data");
  if (value.empty() || value == "null") return std::string();
  const std::string type = to_lower(content_type);
  if (type.starts_with("text/") || is_content_type(type, "application/xml")) {
    auto text = json_string(value);
    if (!text) return fail(Code::kInvalidArgument, "unexpected data type encountered in envelope");
    return std::move(*text);
  }
  if (is_content_type(type, "application/json") || is_content_type(type, "application/cloudevents+json")) {
    return compact(value);
  }
  return std::string();
}

bool is_field(std::string_view name) {
  constexpr auto kFields = std::to_array<std::string_view>(
      {"id", "source", "datacontenttype", "type", "specversion", "data", "data_base64"});
  return std::ranges::find(kFields, name) != kFields.end();
}

std::string extensions_of(const std::vector<JsonMember>& members) {
  std::string json = "{";
  for (const JsonMember& member : members) {
    if (is_field(member.name)) continue;
    if (json.size() > 1) json += ',';
    append_json_string(json, member.name);
    json.append(":").append(member.value);
  }
  json += '}';
  return json;
}

bool is_json_type(std::string_view lower) {
  return is_content_type(lower, "application/json") || is_content_type(lower, "application/cloudevents+json") ||
         lower.substr(0, lower.find(';')).ends_with("+json");
}

}  // namespace

Result<EventFields> event_fields(std::string_view envelope) {
  const auto members = json_members(envelope);
  if (!members) return fail(Code::kInvalidArgument, "the event is no JSON object");
  EventFields fields{.id = text_of(*members, "id"),
                     .source = text_of(*members, "source"),
                     .type = text_of(*members, "type"),
                     .spec_version = text_of(*members, "specversion"),
                     .data_content_type = text_of(*members, "datacontenttype")};
  auto data = data_of(*members, fields.data_content_type);
  if (!data) return fail(std::move(data.error()));
  fields.data = std::move(*data);
  fields.extensions = extensions_of(*members);
  return fields;
}

Result<TypedEvent> typed_event(std::string_view envelope) {
  const auto members = json_members(envelope);
  if (!members) return fail(Code::kInvalidArgument, "the event is no JSON object");
  TypedEvent event{.id = text_of(*members, "id"),
                   .source = text_of(*members, "source"),
                   .type = text_of(*members, "type"),
                   .spec_version = text_of(*members, "specversion"),
                   .data_content_type = text_of(*members, "datacontenttype"),
                   .data = {},
                   .attributes = {}};
  auto binary = binary_data_of(*members);
  if (!binary) return fail(std::move(binary.error()));
  if (*binary) {
    event.data = std::move(**binary);
  } else if (const std::string_view value = find(*members, "data"); value != "null") {
    auto text = is_json_type(to_lower(event.data_content_type)) ? std::nullopt : json_string(value);
    event.data = text ? std::move(*text) : std::string(value);
  }
  for (const JsonMember& member : *members) {
    if (is_field(member.name) || member.value == "null") continue;
    event.attributes.emplace_back(member.name, json_string(member.value).value_or(std::string(member.value)));
  }
  std::ranges::sort(event.attributes);
  return event;
}

}  // namespace tandem::pubsub
