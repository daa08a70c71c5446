// What an app says of itself: its answer to GET /dapr/config.
//
// In Dapr it is about actors only, which Tandem does not have: it is read so that an app is asked what daprd asks, and
// told when it hosts actors. Source: https://docs.dapr.io/reference/api/actors_api/ (get registered actors).
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/completion.h"
#include "net/http.h"

namespace tandem::app {

struct AppConfig {
  std::vector<std::string> entities;  // types of actors
};

// The answer's body. Fails with kInvalidArgument when it is no JSON object.
Result<AppConfig> parse_app_config(std::string_view json);

// Asks the app; on the worker of `handler`. Any status but 200 is an app without a configuration, as in daprd.
void fetch_app_config(net::Handler& handler, const std::string& app_id, std::chrono::milliseconds timeout,
                      Completion<AppConfig> done);

}  // namespace tandem::app
