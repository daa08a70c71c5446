// A question that Tandem itself asks an app, over whatever the app speaks HTTP with: what daprd asks at its start.
//
// On the worker of the handler. The answer may come before the call returns.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "app/collect_sink.h"
#include "net/http.h"

namespace tandem::app {

// GET `target`. Fails with what the handler says, kDeadlineExceeded after `timeout`, and kResourceExhausted for an
// answer of more than 1 MiB.
void ask_app(net::Handler& handler, const std::string& app_id, std::string_view target,
             std::chrono::milliseconds timeout, Completion<CollectedAnswer> done);

}  // namespace tandem::app
