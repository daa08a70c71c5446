// The subscriptions that an app declares itself over gRPC: its answer to AppCallback.ListTopicSubscriptions.
//
// A plain function, any thread, never fails: what a subscription lacks is found when it is started.
#pragma once

#include <vector>

#include "config/subscription.h"
#include "dapr/proto/runtime/v1/appcallback.pb.h"

namespace tandem::app::grpc {

// One without routes has a rule that takes everything to the empty path: the app is told the topic.
std::vector<config::Subscription> topic_subscriptions(
    const ::dapr::proto::runtime::v1::ListTopicSubscriptionsResponse& response);

}  // namespace tandem::app::grpc
