#include "app/grpc/topic_event.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "app/grpc/rpc_error.h"
#include "app/grpc/trace_metadata.h"
#include "base/text.h"
#include "blocks/pubsub/event_fields.h"
#include "net/grpc/header_metadata.h"
#include "net/hop_headers.h"

namespace tandem::app::grpc {
namespace {

using ::dapr::proto::runtime::v1::TopicEventBulkRequest;
using ::dapr::proto::runtime::v1::TopicEventBulkResponse;
using ::dapr::proto::runtime::v1::TopicEventRequest;
using ::dapr::proto::runtime::v1::TopicEventResponse;

constexpr std::string_view kScope = "tandem.pubsub";
constexpr std::size_t kMaxMetadataBytes = 16 * 1024;
constexpr std::string_view kBulkType = "com.dapr.event.sent.bulk";

// Of the delivery, of the connection, or of who calls: not metadata's to set.
bool is_reserved(std::string_view key) {
  constexpr auto kReserved = std::to_array<std::string_view>(
      {"content-type", "content-length", "host", "user-agent", "traceparent", "tracestate", "destination-app-id"});
  return net::is_hop_by_hop(key) || key.starts_with("dapr-") || key.ends_with("-bin") ||
         std::ranges::find(kReserved, key) != kReserved.end();
}

// The fields that an event and an entry of a bulk have in common.
template <class Message>
Status fill(std::string_view envelope, Message& event) {
  auto fields = pubsub::event_fields(envelope);
  if (!fields) return fail(std::move(fields.error()));
  event.set_id(std::move(fields->id));
  event.set_source(std::move(fields->source));
  event.set_type(std::move(fields->type));
  event.set_spec_version(std::move(fields->spec_version));
  event.set_data_content_type(std::move(fields->data_content_type));
  event.set_data(std::move(fields->data));
  const auto parsed = ::google::protobuf::util::JsonStringToMessage(fields->extensions, event.mutable_extensions());
  if (parsed.ok()) return {};
  return fail(Code::kInvalidArgument,
              "error processing internal cloud event data: unable to unmarshal cloudEvent "
              "extensions to proto struct: " +
                  std::string(parsed.message()));
}

pubsub::Verdict verdict_of(TopicEventResponse::TopicEventResponseStatus status) {
  if (status == TopicEventResponse::SUCCESS) return pubsub::Verdict::kSuccess;
  return status == TopicEventResponse::DROP ? pubsub::Verdict::kDrop : pubsub::Verdict::kRetry;
}

}  // namespace

Result<TopicEventRequest> topic_event(const pubsub::Delivery& delivery) {
  TopicEventRequest event;
  if (Status filled = fill(*delivery.body, event); !filled) return fail(std::move(filled.error()));
  event.set_topic(delivery.topic);
  event.set_pubsub_name(delivery.pubsub);
  event.set_path(delivery.route);
  return event;
}

TopicEventBulkRequest bulk_topic_event(const pubsub::BulkDelivery& delivery) {
  TopicEventBulkRequest request;
  request.set_id(delivery.id);
  request.set_topic(delivery.topic);
  request.set_pubsub_name(delivery.pubsub);
  request.set_path(delivery.route);
  request.set_type(std::string(kBulkType));
  for (const auto& [name, value] : delivery.metadata) (*request.mutable_metadata())[name] = value;
  for (const pubsub::BulkItem& item : delivery.items) {
    auto& entry = *request.add_entries();
    if (delivery.raw_payload) {
      entry.set_bytes(*item.event);
    } else if (!fill(*item.event, *entry.mutable_cloud_event())) {
      request.mutable_entries()->RemoveLast();
      continue;
    }
    entry.set_entry_id(item.entry_id);
    entry.set_content_type(item.content_type);
    for (const auto& [name, value] : item.metadata) (*entry.mutable_metadata())[name] = value;
  }
  return request;
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

Result<std::vector<pubsub::Verdict>> bulk_verdicts(const ::grpc::Status& status, const TopicEventBulkResponse& response,
                                                   const std::vector<std::string>& entry_ids, const Logger& log) {
  if (status.error_code() == ::grpc::StatusCode::UNIMPLEMENTED) {
    log.warn(kScope, fmt::format("non-retriable error returned from app while processing bulk pub/sub event: {}",
                                 rpc_text(status)));
    return std::vector(entry_ids.size(), pubsub::Verdict::kDrop);
  }
  if (!status.ok()) return fail(rpc_error(status));
  std::map<std::string_view, pubsub::Verdict> said;
  for (const auto& one : response.statuses()) said[one.entry_id()] = verdict_of(one.status());
  std::vector<pubsub::Verdict> verdicts;
  verdicts.reserve(entry_ids.size());
  for (const std::string& id : entry_ids) {
    const auto found = said.find(id);
    verdicts.push_back(found == said.end() ? pubsub::Verdict::kRetry : found->second);
  }
  return verdicts;
}

}  // namespace tandem::app::grpc
