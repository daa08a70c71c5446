#include "api/grpc/pubsub_methods.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/grpc/call_metadata.h"
#include "api/grpc/error_map.h"
#include "blocks/pubsub/cloud_event.h"

namespace tandem::api::grpc {
namespace {

std::string publish_failed(std::string_view pubsub, std::string_view topic, std::string_view cause) {
  return fmt::format("error when publishing to topic {} in pubsub {}: {}", topic, pubsub, cause);
}

// The details of an error name the bare cause, which the message wraps.
std::string_view cause_of(const Error& error, std::string_view prefix) {
  const std::string_view message = error.message;
  return message.starts_with(prefix) ? message.substr(prefix.size()) : std::string_view();
}

template <class Request>
::grpc::Status failure(const ApiOptions& api, const Request& request, const Error& error) {
  const std::string wrapped = publish_failed(request.pubsub_name(), request.topic(), "");
  const std::string marshalled = fmt::format(
      "error marshaling events to bytes for topic {} pubsub {}. error: ", request.topic(), request.pubsub_name());
  const std::string_view bare = cause_of(error, error.reason == "ERR_PUBSUB_EVENTS_SER" ? marshalled : wrapped);
  const Metadata metadata = to_metadata(request.metadata());
  // Of a component that is not there daprd repeats no metadata.
  const bool repeated = error.reason != "ERR_PUBSUB_NOT_FOUND" && error.reason != "ERR_PUBSUB_NOT_CONFIGURED";
  return to_status(error, {.app_id = api.app_id,
                           .component = request.pubsub_name(),
                           .topic = request.topic(),
                           .cause = bare,
                           .metadata = repeated ? &metadata : nullptr});
}

// A raw message has no envelope for its trace: over gRPC, and there alone, daprd puts it into the metadata.
Metadata with_trace(Metadata metadata, const TraceContext& trace) {
  if (trace.traceparent.empty() || !pubsub::is_raw_payload(metadata).value_or(false)) return metadata;
  metadata.insert_or_assign("traceid", trace.traceparent);
  metadata.insert_or_assign("tracestate", trace.tracestate);
  return metadata;
}

// The context of a call that publishes. As in daprd: where calls are not traced, an event has no trace, not even that
// of a caller who brings one.
std::shared_ptr<const CallContext> publisher_of(const ApiOptions& api, const SharedCall& call) {
  auto context = std::make_shared<CallContext>(call->context());
  if (!api.sampler.enabled()) context->trace = {};
  return context;
}

}  // namespace

void publish_event(const ApiOptions& api, Executor& late, const SharedCall& call,
                   const wire::PublishEventRequest& request) {
  const std::shared_ptr<const CallContext> context = publisher_of(api, call);
  pubsub::PublishCall publication{.pubsub = request.pubsub_name(),
                                  .topic = request.topic(),
                                  .data = request.data(),
                                  .content_type = request.data_content_type(),
                                  .metadata = with_trace(to_metadata(request.metadata()), context->trace)};
  api.pubsub.publish(
      {*context, late}, std::move(publication), [&api, call, context, &request](const Result<void>& result) {
        call->answer([&](auto&) { return result ? ::grpc::Status::OK : failure(api, request, result.error()); });
      });
}

void bulk_publish_event(const ApiOptions& api, Executor& late, const SharedCall& call,
                        const wire::BulkPublishRequest& request) {
  const std::shared_ptr<const CallContext> context = publisher_of(api, call);
  std::vector<pubsub::BulkEntry> entries;
  entries.reserve(request.entries().size());
  for (const wire::BulkPublishRequestEntry& entry : request.entries()) {
    entries.push_back(
        {.entry_id = entry.entry_id(), .data = entry.event(), .content_type = entry.content_type(), .metadata = {}});
    if (!entry.metadata().empty()) entries.back().metadata = to_metadata(entry.metadata());
  }
  api.pubsub.publish_bulk(
      {*context, late}, request.pubsub_name(), request.topic(), std::move(entries), to_metadata(request.metadata()),
      [&api, call, context, &request](const Result<std::vector<pubsub::BulkPublishFailure>>& failures) {
        call->answer([&](auto&) {
          if (!failures) return failure(api, request, failures.error());
          if (failures->empty()) return ::grpc::Status::OK;
          const Error first{Code::kInternal, "ERR_PUBSUB_PUBLISH_MESSAGE",
                            publish_failed(request.pubsub_name(), request.topic(), failures->front().error.message)};
          return failure(api, request, first);
        });
      });
}

}  // namespace tandem::api::grpc
