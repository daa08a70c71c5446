// From an AppSpec to what the standards' interfaces mean for its guest, with every component that is named there.
//
// On main's thread while the process starts, when the components are made. Fails with kInvalidArgument when a component
// is not there, or not in the app's scope, and says where it is named.
#pragma once

#include "config/app_file.h"
#include "host/guest_caller.h"

namespace tandem::server {

Result<host::GuestSettings> guest_settings(const config::AppSpec& app, const host::HostServices& services);

}  // namespace tandem::server
