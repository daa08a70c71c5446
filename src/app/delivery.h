// An event on its way into an app, as Dapr sends it: a POST of the envelope to the subscription's route; or several of
// them in one.
//
// On the worker of `handler`. Source: https://docs.dapr.io/reference/api/pubsub_api/ (expected HTTP response).
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/log.h"
#include "blocks/pubsub/pubsub_service.h"
#include "net/http.h"

namespace tandem::app {

// `done` gets the app's verdict; an app that cannot be reached or breaks off is a retry. The event's metadata become
// headers, up to 16 KiB of them; `log` hears of what does not.
void deliver_to(net::Handler& handler, const std::string& app_id, std::chrono::milliseconds timeout, const Logger& log,
                pubsub::Delivery delivery, Completion<pubsub::Verdict> done);

// The same for a bulk: `done` gets a verdict for each of its items, in their order.
void deliver_bulk_to(net::Handler& handler, const std::string& app_id, std::chrono::milliseconds timeout,
                     const Logger& log, pubsub::BulkDelivery delivery, Completion<std::vector<pubsub::Verdict>> done);

}  // namespace tandem::app
