// A bulk of events for an app that takes them one by one: the verdicts are gathered in the order of the items.
//
// Any thread. `done` runs where the last verdict comes. An item that cannot be delivered is a retry, as the item of a
// bulk that an app does not mention.
#pragma once

#include <vector>

#include "blocks/pubsub/pubsub_service.h"

namespace tandem::app {

void deliver_one_by_one(pubsub::EventSink& sink, pubsub::BulkDelivery delivery,
                        Completion<std::vector<pubsub::Verdict>> done);

}  // namespace tandem::app
