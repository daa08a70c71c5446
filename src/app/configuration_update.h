// An update of configuration on its way into an app, as Dapr sends it: a POST of the items to
// /configuration/<store>/<key>.
//
// On the worker of `handler`. Source: https://docs.dapr.io/reference/api/configuration_api/.
#pragma once

#include <chrono>
#include <string>

#include "blocks/configuration/configuration_service.h"
#include "net/http.h"

namespace tandem::app {

// Fails with kInternal when the app answers with another status than 200, and as its handler does.
void post_update(net::Handler& handler, const std::string& app_id, std::chrono::milliseconds timeout,
                 const configuration::Update& update, Completion<void> done);

}  // namespace tandem::app
