// From an AppSpec without a module to the app that it names: a program outside the process, reached over its protocol.
//
// One place for every protocol of the app channel. Pure but for the object that it makes; the server's thread.
#pragma once

#include <memory>

#include "app/app.h"
#include "base/log.h"
#include "config/app_file.h"
#include "net/worker.h"
#include "server/app_routes.h"
#include "server/process_options.h"

namespace tandem::server {

// The way to an app that speaks gRPC is added to `routes`. Fails with kUnimplemented for a protocol that this version
// does not speak, with kInvalidArgument for none at all.
Result<std::unique_ptr<app::App>> make_outside_app(const config::AppSpec& spec, const ProcessOptions& options,
                                                   const Logger& log, net::Workers& workers, AppRoutes& routes);

}  // namespace tandem::server
