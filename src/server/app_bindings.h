// Starts what an app is sent by input bindings: those whose direction says input, and those that the app asks for.
//
// As in daprd, no binding stops the app: what cannot be started is a line in its log. On a thread that may wait, with
// the workers running.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/log.h"
#include "blocks/bindings/binding_service.h"

namespace tandem::server {

// Tells which of the bindings that it is given the app wants; blocks. Empty: there is no app that could answer.
using AskForBindings = std::function<std::vector<std::string>(std::vector<bindings::BindingService::Input>)>;

// The names of those that the app is to be sent, and a line in the log for each that it has not asked for.
std::vector<std::string> wanted_inputs(const std::string& app_id, const Logger& log,
                                       const bindings::BindingService& service, const AskForBindings& ask);

void start_inputs(const std::string& app_id, const Logger& log, bindings::BindingService& service,
                  bindings::InputSink& sink, const std::vector<std::string>& names);

}  // namespace tandem::server
