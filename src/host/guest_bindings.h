// tandem:dapr/bindings for guests: the table behind the WIT interface, over BindingService.
//
// Runs on the worker that polls the calling guest; a late completion comes back there. Failures are the service's, and
// what a binding says about a failure goes to the guest with it.
#pragma once

#include "tandem_wit.h"

namespace tandem::host {

// Lives as long as the process.
const tdm_bindings_vtable& bindings_vtable();

}  // namespace tandem::host
