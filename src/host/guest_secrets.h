// tandem:dapr/secrets for guests: the table behind the WIT interface, over SecretService.
//
// Runs on the worker that polls the calling guest; a late completion comes back there. Failures and scopes are the
// service's.
#pragma once

#include "tandem_wit.h"

namespace tandem::host {

// Lives as long as the process.
const tdm_secrets_vtable& secrets_vtable();

}  // namespace tandem::host
