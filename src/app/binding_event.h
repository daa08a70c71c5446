// Events of input bindings on their way into an app, as Dapr sends them: a POST to the binding's route. And the
// question whether an app wants them: OPTIONS of the same route.
//
// On the worker of `handler`. Source: https://docs.dapr.io/reference/api/bindings_api/ and daprd 1.18.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/log.h"
#include "blocks/bindings/binding_service.h"
#include "net/http.h"

namespace tandem::app {

// `done` gets the body of an answer of 2xx; any other answer, and an app that cannot be reached, is a failure. The
// event's metadata become headers, up to 16 KiB of them; `log` hears of what does not.
void post_event(net::Handler& handler, const std::string& app_id, std::chrono::milliseconds timeout, const Logger& log,
                bindings::AppEvent event, Completion<bindings::AppAnswer> done);

// The names of those that the app has a route for: it answers 2xx or 405 to OPTIONS, within three seconds. One after
// the other; one whose answer does not come is left out, and a line in the log.
void ask_for_bindings(net::Handler& handler, const std::string& app_id, const Logger& log,
                      std::vector<bindings::BindingService::Input> inputs, Completion<std::vector<std::string>> done);

}  // namespace tandem::app
