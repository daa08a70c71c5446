// One probe of an app's health over HTTP, as daprd's app health checks make it: GET, any 2xx is healthy.
//
// On one worker, `done` too. Source:
// https://docs.dapr.io/developing-applications/building-blocks/observability/app-health/.
#pragma once

#include <chrono>
#include <string>

#include "base/completion.h"
#include "net/http.h"
#include "net/http_client.h"
#include "net/worker.h"

namespace tandem::app {

// Of an app in this process. `path` begins with a slash. `done` gets kUnavailable and the reason, as it is logged, when
// the app is not healthy or has not answered in time.
void probe_over_http(net::Handler& handler, const std::string& app_id, const std::string& path,
                     std::chrono::milliseconds timeout, Completion<void> done);

// Of an app outside: sends `request`. The client outlives the probe.
void probe_over_client(net::Worker& worker, net::HttpClient& client, net::ClientRequest request,
                       std::chrono::milliseconds timeout, Completion<void> done);

}  // namespace tandem::app
