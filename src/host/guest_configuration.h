// tandem:dapr/configuration for guests: the table behind the WIT interface, over ConfigurationService.
//
// Runs on the worker that polls the calling guest; a late completion comes back there. Failures are the service's. A
// subscription belongs to the app: its updates go to the Listener that the GuestCaller names, also when the instance
// that asked is gone. ERR_APP_CHANNEL_NIL, kFailedPrecondition: it names none.
#pragma once

#include "tandem_wit.h"

namespace tandem::host {

// Lives as long as the process.
const tdm_configuration_vtable& configuration_vtable();

}  // namespace tandem::host
