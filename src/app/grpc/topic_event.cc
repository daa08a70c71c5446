#include "app/grpc/topic_event.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "app/grpc/rpc_error.h"
#include "app/grpc/trace_metadata.h"
#include "blocks/pubsub/event_fields.h"
#include "net/grpc/header_metadata.h"

namespace tandem::app::grpc {
namespace {

using ::dapr::proto::runtime::v1::TopicEventRequest;
using ::dapr::proto::runtime::v1::TopicEventResponse;

constexpr std::string_view kScope = "tandem.pubsub";
constexpr std::size_t kMaxMetadataBytes = 16 * 1024;

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return lower;
}

// Of the delivery, of the connection, or of who calls: not metadata's to set.
bool is_reserved(std::string_view key) {
  constexpr auto kReserved = std::to_array<std::string_view>(
      {"content-type", "content-length", "host", "te", "user-agent", "connection", "keep-alive", "proxy-connection",
       "transfer-encoding", "upgrade", "http2-settings", "trailer", "proxy-authenticate", "proxy-authorization",
       "traceparent", "tracestate", "destination-app-id"});
  return key.starts_with("dapr-") || key.ends_with("-bin") || std::ranges::find(kReserved, key) != kReserved.end();
}

}  // namespace

Result<TopicEventRequest> topic_event(const pubsub::Delivery& delivery) {
  auto fields = pubsub::event_fields(*delivery.body);
  if (!fields) return fail(std::move(fields.error()));
  TopicEventRequest event;
  event.set_id(std::move(fields->id));
  event.set_source(std::move(fields->source));
  event.set_type(std::move(fields->type));
  event.set_spec_version(std::move(fields->spec_version));
  event.set_data_content_type(std::move(fields->data_content_type));
  event.set_topic(delivery.topic);
  event.set_pubsub_name(delivery.pubsub);
  event.set_path(delivery.route);
  event.set_data(std::move(fields->data));
  const auto parsed = ::google::protobuf::util::JsonStringToMessage(fields->extensions, event.mutable_extensions());
  if (parsed.ok()) return event;
  return fail(Code::kInvalidArgument,
              "error processing internal cloud event data: unable to unmarshal cloudEvent "
              "extensions to proto struct: " +
                  std::string(parsed.message()));
}

net::grpc::MetadataPairs event_metadata(const pubsub::Delivery& delivery) {
  net::grpc::MetadataPairs pairs;
  std::size_t left = kMaxMetadataBytes;
  for (const auto& [name, value] : delivery.metadata) {
    std::string key = lower_case(name);
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
