// Calls of a guest's tandem:dapr/topic-handler, or of its handler of messages: events of topics, and the question which
// topics the app wants, which only the first answers.
//
// On the worker of the pool that runs them; guest_call.h says how they end. A message that its handler has refused
// fails with kUnavailable.
#pragma once

#include <memory>
#include <vector>

#include "blocks/pubsub/pubsub_service.h"
#include "config/subscription.h"
#include "host/guest_call.h"
#include "host/guest_exports.h"

namespace tandem::host {

// Fails with kInvalidArgument when the event is no CloudEvent, or its data are not what their type says.
Result<std::unique_ptr<GuestCall>> make_topic_call(TopicExport to, pubsub::Delivery delivery, SteadyTime deadline,
                                                   Completion<pubsub::Verdict>& done);

std::unique_ptr<GuestCall> make_subscriptions_call(SteadyTime deadline,
                                                   Completion<std::vector<config::Subscription>> done);

}  // namespace tandem::host
