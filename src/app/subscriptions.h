// The subscriptions that an app declares itself: its answer to GET /dapr/subscribe.
//
// Source: https://docs.dapr.io/reference/api/pubsub_api/ (provide a route for Dapr to discover topic subscriptions).
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "config/subscription.h"
#include "net/http.h"

namespace tandem::app {

// The answer's body. Fails with kInvalidArgument, and says which entry, when it is not a list of objects. What an entry
// lacks (a topic, a route) is found when it is subscribed, so that it costs the app no other subscription.
Result<std::vector<config::Subscription>> parse_subscriptions(std::string_view json, const std::string& app_id);

// Asks the app; on the worker of `handler`. An app that answers 404, or anything but a list, subscribes to nothing; any
// other status than 200 or 204 is a failure, and so is a list that is wrong.
void fetch_subscriptions(net::Handler& handler, const std::string& app_id, std::chrono::milliseconds timeout,
                         Completion<std::vector<config::Subscription>> done);

}  // namespace tandem::app
