// wasi:config for guests, beside the names that the app's environment gives: values of a configuration store and of
// secrets, where the app's tandem.yaml says so (GuestSettings).
//
// Runs on the worker that polls the calling guest; a late completion comes back there. A name is looked for among the
// named secrets, then in the store; one that is in neither has no value. Failures are the services'.
#pragma once

#include "tandem_wit.h"

namespace tandem::host {

// Lives as long as the process.
const tdm_config_vtable& config_vtable();

}  // namespace tandem::host
