// Starts what an app is subscribed to: what the resource folders declare and what the app itself answered.
//
// As in daprd, no subscription stops the app: what cannot be started is a line in its log that names the pub/sub, the
// topic and the route, and the others are started. On the server's thread, with the workers running.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/http/sources.h"
#include "base/log.h"
#include "blocks/pubsub/pubsub_service.h"
#include "config/subscription.h"

namespace tandem::server {

// Of several subscriptions to one topic of a pub/sub one counts: the app's own, else the first of the folders; of the
// app's own the last. Returns those that are delivering. `sink` as for PubsubService::subscribe(). Called again, it
// leaves those that are as they were alone, ends those that are not wanted any more, and begins the others anew.
std::vector<api::http::SubscriptionInfo> start_subscriptions(const std::string& app_id, const Logger& log,
                                                             pubsub::PubsubService& pubsub, pubsub::EventSink& sink,
                                                             std::vector<config::Subscription> declared,
                                                             std::vector<config::Subscription> own);

// The app's subscriptions that are streams of its own, at this moment. Any thread.
std::vector<api::http::SubscriptionInfo> open_streams(std::string_view app_id, const pubsub::PubsubService& pubsub);

}  // namespace tandem::server
