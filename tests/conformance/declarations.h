// Subscriptions as an app declares them itself: its answer to GET /dapr/subscribe.
#pragma once

#include <string>

#include "base/executor.h"
#include "blocks/pubsub/pubsub_service.h"
#include "config/subscription.h"
#include "net/http.h"

namespace tandem::conformance {

// The answer of an app with this one subscription.
std::string declaration(const config::Subscription& subscription);

// Asks the app behind `handler` what it subscribes to, on `worker`, its thread, and subscribes it: what the server does
// when an app starts. Not on that thread.
Status subscribe_declared(Executor& worker, net::Handler& handler, const std::string& app_id,
                          pubsub::PubsubService& service, pubsub::EventSink& sink);

}  // namespace tandem::conformance
