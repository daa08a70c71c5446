#include "api/http/state_requests.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <system_error>
#include <utility>

#include "base/json.h"
#include "base/json_normal.h"
#include "net/http.h"

namespace tandem::api::http {
namespace {

bool is_member(std::string_view name, std::string_view field) { return net::equals_ignoring_case(name, field); }

// What upserts and deletes share.
struct Fields {
  std::string key;
  std::optional<std::string> etag;
  Metadata metadata;
  std::string consistency;
  std::string concurrency;
  std::string_view value;
  std::string content_type;
};

Status read_options(std::string_view value, Fields& fields) {
  if (json_kind(value) == JsonKind::kNull) return {};
  if (json_kind(value) != JsonKind::kObject) return fail(Code::kInvalidArgument, "\"options\" must be an object");
  JsonMembers members(value);
  std::string name;
  std::string_view member;
  while (members.next(name, member)) {
    std::string* field = is_member(name, "consistency")   ? &fields.consistency
                         : is_member(name, "concurrency") ? &fields.concurrency
                                                          : nullptr;
    if (field == nullptr) continue;
    auto word = json_string_field(member, name);
    if (!word) return fail(std::move(word.error()));
    *field = std::move(*word);
  }
  return {};
}

Status read_member(std::string_view name, std::string_view value, Fields& fields) {
  if (is_member(name, "key")) {
    auto key = json_string_field(value, "key");
    if (!key) return fail(std::move(key.error()));
    fields.key = std::move(*key);
  } else if (is_member(name, "value")) {
    fields.value = value;
  } else if (is_member(name, "etag")) {
    auto etag = json_string_field(value, "etag");
    if (!etag) return fail(std::move(etag.error()));
    // An empty ETag is none.
    fields.etag = etag->empty() ? std::nullopt : std::optional(std::move(*etag));
  } else if (is_member(name, "metadata")) {
    auto metadata = json_string_map_field(value, "metadata");
    if (!metadata) return fail(std::move(metadata.error()));
    fields.metadata = std::move(*metadata);
  } else if (is_member(name, "options")) {
    return read_options(value, fields);
  } else if (is_member(name, "contentType")) {
    auto type = json_string_field(value, "contentType");
    if (!type) return fail(std::move(type.error()));
    fields.content_type = std::move(*type);
  }
  return {};
}

Result<Fields> read_fields(std::string_view object, const Metadata& query) {
  Fields fields;
  if (json_kind(object) == JsonKind::kObject) {
    JsonMembers members(object);
    std::string name;
    std::string_view value;
    while (members.next(name, value)) {
      auto read = read_member(name, value, fields);
      if (!read) return fail(std::move(read.error()));
    }
  } else if (json_kind(object) != JsonKind::kNull) {
    return fail(Code::kInvalidArgument, "a state item must be an object");
  }
  for (const auto& [name, value] : query) fields.metadata.insert_or_assign(name, value);
  return fields;
}

// Fills in the options of a request; returns why a store that looks at the words refuses them, or nothing.
template <class Request>
std::string apply_options(const Fields& fields, Request& request) {
  const auto consistency = consistency_of(fields.consistency);
  const auto concurrency = concurrency_of(fields.concurrency);
  request.consistency = consistency.value_or(state::Consistency::kUnspecified);
  request.concurrency = concurrency.value_or(state::Concurrency::kUnspecified);
  if (!consistency) return fmt::format("unrecognized consistency model '{}'", fields.consistency);
  if (!concurrency) return fmt::format("unrecognized concurrency model '{}'", fields.concurrency);
  return {};
}

Result<std::string_view> parse_object(std::string_view body, std::string_view what) {
  auto value = parse_json_prefix(body);
  if (!value) return value;
  const JsonKind kind = json_kind(*value);
  if (kind == JsonKind::kNull) return std::string_view("{}");
  if (kind != JsonKind::kObject) return fail(Code::kInvalidArgument, fmt::format("{} must be an object", what));
  return value;
}

// What Go reads into an int.
bool is_integer(std::string_view value) {
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), number);
  return failure == std::errc() && end == value.data() + value.size();
}

Result<std::vector<std::string>> read_keys(std::string_view value) {
  std::vector<std::string> keys;
  if (json_kind(value) == JsonKind::kNull) return keys;
  if (json_kind(value) != JsonKind::kArray) return fail(Code::kInvalidArgument, "\"keys\" must be an array of strings");
  JsonElements elements(value);
  std::string_view element;
  while (elements.next(element)) {
    auto key = json_string_field(element, "keys");
    if (!key) return fail(std::move(key.error()));
    keys.push_back(std::move(*key));
  }
  return keys;
}

Result<TransactionItem> read_operation(std::string_view object, const Metadata& query) {
  std::string operation;
  std::string_view request = "null";
  if (json_kind(object) == JsonKind::kNull) return TransactionItem(UnknownOperation{});
  if (json_kind(object) != JsonKind::kObject) return fail(Code::kInvalidArgument, "an operation must be an object");
  JsonMembers members(object);
  std::string name;
  std::string_view value;
  while (members.next(name, value)) {
    if (is_member(name, "operation")) {
      auto word = json_string_field(value, "operation");
      if (!word) return fail(std::move(word.error()));
      operation = std::move(*word);
    } else if (is_member(name, "request")) {
      request = value;
    }
  }
  if (operation == "upsert") {
    auto item = read_set_item(request, query);
    if (!item) return fail(std::move(item.error()));
    return TransactionItem(std::move(*item));
  }
  if (operation == "delete") {
    auto item = read_delete_item(request, query);
    if (!item) return fail(std::move(item.error()));
    return TransactionItem(std::move(*item));
  }
  return TransactionItem(UnknownOperation{std::move(operation)});
}

}  // namespace

std::optional<state::Consistency> consistency_of(std::string_view word) {
  if (word.empty()) return state::Consistency::kUnspecified;
  if (word == "eventual") return state::Consistency::kEventual;
  if (word == "strong") return state::Consistency::kStrong;
  return std::nullopt;
}

std::optional<state::Concurrency> concurrency_of(std::string_view word) {
  if (word.empty()) return state::Concurrency::kUnspecified;
  if (word == "first-write") return state::Concurrency::kFirstWrite;
  if (word == "last-write") return state::Concurrency::kLastWrite;
  return std::nullopt;
}

Result<SetItem> read_set_item(std::string_view object, const Metadata& query) {
  auto fields = read_fields(object, query);
  if (!fields) return fail(std::move(fields.error()));
  SetItem item;
  item.request.key = std::move(fields->key);
  // Go marshals a value that is not there as null.
  auto value = normal_json(fields->value.empty() ? std::string_view("null") : fields->value);
  if (!value) return fail(std::move(value.error()));
  item.request.value = share(std::move(*value));
  item.request.form = state::ValueForm::kJson;
  item.request.etag = std::move(fields->etag);
  item.request.content_type = std::move(fields->content_type);
  item.request.metadata = std::move(fields->metadata);
  item.refused = apply_options(*fields, item.request);
  return item;
}

Result<DeleteItem> read_delete_item(std::string_view object, const Metadata& query) {
  auto fields = read_fields(object, query);
  if (!fields) return fail(std::move(fields.error()));
  DeleteItem item;
  item.request.key = std::move(fields->key);
  item.request.etag = std::move(fields->etag);
  item.request.metadata = std::move(fields->metadata);
  item.refused = apply_options(*fields, item.request);
  return item;
}

Result<std::vector<SetItem>> read_set_items(std::string_view body, const Metadata& query) {
  auto value = parse_json_prefix(body);
  if (!value) return fail(std::move(value.error()));
  std::vector<SetItem> items;
  if (json_kind(*value) == JsonKind::kNull) return items;
  if (json_kind(*value) != JsonKind::kArray) return fail(Code::kInvalidArgument, "the body must be an array of items");
  JsonElements elements(*value);
  std::string_view element;
  while (elements.next(element)) {
    auto item = read_set_item(element, query);
    if (!item) return fail(std::move(item.error()));
    items.push_back(std::move(*item));
  }
  return items;
}

Result<BulkGetBody> read_bulk_get(std::string_view body, const Metadata& query) {
  auto object = parse_object(body, "the body");
  if (!object) return fail(std::move(object.error()));
  BulkGetBody request;
  JsonMembers members(*object);
  std::string name;
  std::string_view value;
  while (members.next(name, value)) {
    if (is_member(name, "keys")) {
      auto keys = read_keys(value);
      if (!keys) return fail(std::move(keys.error()));
      request.keys = std::move(*keys);
    } else if (is_member(name, "metadata")) {
      auto metadata = json_string_map_field(value, "metadata");
      if (!metadata) return fail(std::move(metadata.error()));
      request.metadata = std::move(*metadata);
    } else if (is_member(name, "parallelism") && !is_integer(value) && json_kind(value) != JsonKind::kNull) {
      // How many of them at once is each store's own affair, as with Dapr's stores that read in bulk.
      return fail(Code::kInvalidArgument, "\"parallelism\" must be a whole number");
    }
  }
  for (const auto& [key, text] : query) request.metadata.insert_or_assign(key, text);
  return request;
}

Result<TransactionBody> read_transaction(std::string_view body, const Metadata& query) {
  auto object = parse_object(body, "the body");
  if (!object) return fail(std::move(object.error()));
  TransactionBody request;
  JsonMembers members(*object);
  std::string name;
  std::string_view value;
  while (members.next(name, value)) {
    if (is_member(name, "metadata")) {
      // As in Dapr it is read, and no operation gets it: only what the query string says is for all of them.
      if (auto metadata = json_string_map_field(value, "metadata"); !metadata) return fail(std::move(metadata.error()));
    } else if (is_member(name, "operations") && json_kind(value) != JsonKind::kNull) {
      if (json_kind(value) != JsonKind::kArray) return fail(Code::kInvalidArgument, "\"operations\" must be an array");
      request.operations.clear();
      JsonElements elements(value);
      std::string_view element;
      while (elements.next(element)) {
        auto operation = read_operation(element, query);
        if (!operation) return fail(std::move(operation.error()));
        request.operations.push_back(std::move(*operation));
      }
    }
  }
  return request;
}

}  // namespace tandem::api::http
