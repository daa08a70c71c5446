#include "api/http/bulk_publish_request.h"

#include <fmt/format.h>

#include <utility>

#include "base/base64.h"
#include "base/json.h"
#include "base/json_normal.h"
#include "net/http.h"

namespace tandem::api::http {
namespace {

std::unexpected<Error> broken(std::string cause) {
  return fail(Code::kDataLoss, "ERR_PUBSUB_EVENTS_SER", std::move(cause));
}

enum class EventKind { kBinary, kText, kJson, kOther };

EventKind event_kind(std::string_view content_type) {
  const auto is = [media = content_type.substr(0, content_type.find(';'))](std::string_view expected) {
    return net::equals_ignoring_case(media, expected);
  };
  if (is("application/octet-stream")) return EventKind::kBinary;
  if (net::equals_ignoring_case(content_type.substr(0, 5), "text/") || is("application/xml")) return EventKind::kText;
  if (is("application/json") || is("application/cloudevents+json")) return EventKind::kJson;
  return EventKind::kOther;
}

struct RawEntry {
  std::string id;
  std::string_view event = "null";
  std::string content_type;
  std::optional<Metadata> metadata;
};

Result<RawEntry> read_entry(std::string_view object) {
  RawEntry entry;
  if (json_kind(object) == JsonKind::kNull) return entry;
  if (json_kind(object) != JsonKind::kObject) return broken("an entry must be an object");
  JsonMembers members(object);
  std::string name;
  std::string_view value;
  while (members.next(name, value)) {
    if (net::equals_ignoring_case(name, "event")) {
      entry.event = value;
    } else if (net::equals_ignoring_case(name, "metadata")) {
      auto metadata = json_string_map_field(value, "metadata");
      if (!metadata) return broken(std::move(metadata.error().message));
      if (json_kind(value) != JsonKind::kNull) entry.metadata = std::move(*metadata);
    } else if (net::equals_ignoring_case(name, "entryId") || net::equals_ignoring_case(name, "contentType")) {
      auto text = json_string_field(value, name);
      if (!text) return broken(std::move(text.error().message));
      (net::equals_ignoring_case(name, "entryId") ? entry.id : entry.content_type) = std::move(*text);
    }
  }
  return entry;
}

// The bytes of an event; those that are not bytes of the body are kept in `decoded`.
Result<std::string_view> event_bytes(const RawEntry& entry, std::set<std::string, std::less<>>& decoded) {
  const EventKind kind = event_kind(entry.content_type);
  if (kind == EventKind::kJson) {
    // As daprd writes what it has read.
    auto normal = normal_json(entry.event);
    if (!normal) return broken(std::move(normal.error().message));
    return std::string_view(*decoded.insert(std::move(*normal)).first);
  }
  const auto mismatch =
      fail(Code::kInvalidArgument, "ERR_PUBSUB_EVENTS_SER", "error: mismatch between contentType and event");
  if (kind == EventKind::kOther || json_kind(entry.event) != JsonKind::kString) return mismatch;
  std::string text = json_text(entry.event);
  if (kind == EventKind::kText) return std::string_view(*decoded.insert(std::move(text)).first);
  auto bytes = base64_decode(text);
  if (!bytes) {
    // daprd's word for the type, and Go's for the mistake.
    constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n";
    const std::size_t at = text.find_first_not_of(kAlphabet);
    const std::string where = at == std::string::npos ? "" : " at input byte " + std::to_string(at);
    return fail(Code::kInvalidArgument, "ERR_PUBSUB_EVENTS_SER",
                "error: unable to decode base64 application/octect-stream data: illegal base64 data" + where);
  }
  return std::string_view(*decoded.insert(std::move(*bytes)).first);
}

}  // namespace

Result<BulkPublishBody> read_bulk_publish(std::string_view body) {
  auto array = parse_json_prefix(body);
  if (!array) return broken(std::move(array.error().message));
  BulkPublishBody request;
  if (json_kind(*array) == JsonKind::kNull) return request;
  if (json_kind(*array) != JsonKind::kArray) return broken("the body must be an array of entries");
  std::vector<RawEntry> raw;
  JsonElements elements(*array);
  std::string_view element;
  while (elements.next(element)) {
    auto entry = read_entry(element);
    if (!entry) return fail(std::move(entry.error()));
    raw.push_back(std::move(*entry));
  }
  std::set<std::string, std::less<>> ids;
  for (RawEntry& entry : raw) {
    auto bytes = event_bytes(entry, request.decoded);
    if (!bytes) return fail(std::move(bytes.error()));
    if (entry.id.empty() || !ids.insert(entry.id).second) {
      return fail(Code::kAlreadyExists, "ERR_PUBSUB_EVENTS_SER", "entryId is duplicated or not present for entry");
    }
    request.entries.push_back({.entry_id = std::move(entry.id),
                               .data = *bytes,
                               .content_type = std::move(entry.content_type),
                               .metadata = std::move(entry.metadata)});
  }
  return request;
}

}  // namespace tandem::api::http
