// An event as AppCallback.OnTopicEvent has it, a bulk as OnBulkTopicEvent has it, and what the app's answer means.
//
// Plain functions, any thread, never throw. Source: https://docs.dapr.io/reference/api/pubsub_api/ and daprd 1.18.
#pragma once

#include <grpcpp/support/status.h>

#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "blocks/pubsub/pubsub_service.h"
#include "dapr/proto/runtime/v1/appcallback.pb.h"
#include "net/grpc/call_route.h"

namespace tandem::app::grpc {

// The envelope's attributes as fields, its data as bytes, all other members as extensions. Fails with kInvalidArgument
// when the data are not what their content type says: the event is tried again, as in daprd.
Result<::dapr::proto::runtime::v1::TopicEventRequest> topic_event(const pubsub::Delivery& delivery);

// The event's metadata, up to 16 KiB of them, and its trace.
net::grpc::MetadataPairs event_metadata(const pubsub::Delivery& delivery);

// `event_id` is for the log. A failed call is an error, but for an app that has no such method: it drops the event.
Result<pubsub::Verdict> event_verdict(const ::grpc::Status& status,
                                      const ::dapr::proto::runtime::v1::TopicEventResponse& response,
                                      const std::string& event_id, const Logger& log);

// An item that cannot be read as topic_event() reads it is left out: it has no status then, so it is tried again.
::dapr::proto::runtime::v1::TopicEventBulkRequest bulk_topic_event(const pubsub::BulkDelivery& delivery);

// Verdicts in the order of the items; one without a status is a retry. A failed call is as for event_verdict().
Result<std::vector<pubsub::Verdict>> bulk_verdicts(const ::grpc::Status& status,
                                                   const ::dapr::proto::runtime::v1::TopicEventBulkResponse& response,
                                                   const std::vector<std::string>& entry_ids, const Logger& log);

}  // namespace tandem::app::grpc
