#include "app/grpc/topic_event.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "app/grpc/rpc_error.h"
#include "app/grpc/trace_metadata.h"
#include "base/base64.h"
#include "base/json.h"
#include "base/text.h"
#include "blocks/pubsub/json_text.h"
#include "net/grpc/header_metadata.h"
#include "net/hop_headers.h"

namespace tandem::app::grpc {
namespace {

using ::dapr::proto::runtime::v1::TopicEventRequest;
using ::dapr::proto::runtime::v1::TopicEventResponse;
using pubsub::JsonMember;

constexpr std::string_view kScope = "tandem.pubsub";
constexpr std::size_t kMaxMetadataBytes = 16 * 1024;

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
  return pubsub::json_string(find(members, name)).value_or("");
}

Result<std::string> data_of(const std::vector<JsonMember>& members, const std::string& content_type) {
  if (const std::string_view value = find(members, "data_base64"); !value.empty() && value != "null") {
    const auto text = pubsub::json_string(value);
    if (!text) return fail(Code::kInvalidArgument, "unexpected data type encountered in envelope");
    auto bytes = base64_decode(*text);
    if (!bytes) return fail(Code::kInvalidArgument, "data_base64 of the event is no base64");
    return std::move(*bytes);
  }
  const std::string_view value = find(members, "data");
  if (value.empty() || value == "null") return std::string();
  const std::string type = to_lower(content_type);
  if (type.starts_with("text/") || is_content_type(type, "application/xml")) {
    auto text = pubsub::json_string(value);
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

Status fill_extensions(const std::vector<JsonMember>& members, ::google::protobuf::Struct& extensions) {
  std::string json = "{";
  for (const JsonMember& member : members) {
    if (is_field(member.name)) continue;
    if (json.size() > 1) json += ',';
    append_json_string(json, member.name);
    json.append(":").append(member.value);
  }
  json += '}';
  const auto parsed = ::google::protobuf::util::JsonStringToMessage(json, &extensions);
  if (parsed.ok()) return {};
  return fail(Code::kInvalidArgument,
              "error processing internal cloud event data: unable to unmarshal cloudEvent "
              "extensions to proto struct: " +
                  std::string(parsed.message()));
}

// Of the delivery, of the connection, or of who calls: not metadata's to set.
bool is_reserved(std::string_view key) {
  constexpr auto kReserved = std::to_array<std::string_view>(
      {"content-type", "content-length", "host", "user-agent", "traceparent", "tracestate", "destination-app-id"});
  return net::is_hop_by_hop(key) || key.starts_with("dapr-") || key.ends_with("-bin") ||
         std::ranges::find(kReserved, key) != kReserved.end();
}

}  // namespace

Result<TopicEventRequest> topic_event(const pubsub::Delivery& delivery) {
  const auto members = pubsub::json_members(*delivery.body);
  if (!members) return fail(Code::kInvalidArgument, "the event is no JSON object");
  TopicEventRequest event;
  event.set_id(text_of(*members, "id"));
  event.set_source(text_of(*members, "source"));
  event.set_type(text_of(*members, "type"));
  event.set_spec_version(text_of(*members, "specversion"));
  event.set_data_content_type(text_of(*members, "datacontenttype"));
  event.set_topic(delivery.topic);
  event.set_pubsub_name(delivery.pubsub);
  event.set_path(delivery.route);
  auto data = data_of(*members, event.data_content_type());
  if (!data) return fail(std::move(data.error()));
  event.set_data(std::move(*data));
  if (Status filled = fill_extensions(*members, *event.mutable_extensions()); !filled) {
    return fail(std::move(filled.error()));
  }
  return event;
}

net::grpc::MetadataPairs event_metadata(const pubsub::Delivery& delivery) {
  net::grpc::MetadataPairs pairs;
  std::size_t left = kMaxMetadataBytes;
  for (const auto& [name, value] : delivery.metadata) {
    std::string key = to_lower(name);
    if (!net::grpc::is_metadata(key, value) || is_reserved(key) || key.size() + value.size() > left) continue;
    left -= key.size() + value.size();
    pairs.emplace_back(std::move(key), value);
  }
  add_trace(delivery.trace, pairs);
  return pairs;
}

Result<pubsub::Verdict> event_verdict(const ::grpc::Status& status, const TopicEventResponse& response,
                                      const std::string& event_id, const Logger& log) {
  if (status.error_code() == ::grpc::StatusCode::UNIMPLEMENTED) {
    log.warn(kScope, fmt::format("non-retriable error returned from app while processing pub/sub event {}: {}",
                                 event_id, rpc_text(status)));
    return pubsub::Verdict::kDrop;
  }
  if (!status.ok()) return fail(rpc_error(status));
  switch (response.status()) {
    case TopicEventResponse::SUCCESS: return pubsub::Verdict::kSuccess;
    case TopicEventResponse::RETRY: return pubsub::Verdict::kRetry;
    case TopicEventResponse::DROP:
      log.warn(kScope, fmt::format("DROP status returned from app while processing pub/sub event {}", event_id));
      return pubsub::Verdict::kDrop;
    default: break;
  }
  log.warn(kScope, fmt::format("unknown status returned from app while processing pub/sub event {}, status: {}",
                               event_id, static_cast<int>(response.status())));
  return pubsub::Verdict::kRetry;
}

}  // namespace tandem::app::grpc
