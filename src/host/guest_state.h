// tandem:dapr/state and wasi:keyvalue for guests: the table behind the WIT interfaces, over StateService.
//
// Runs on the worker that polls the calling guest. A store that completes in place does not suspend the guest; a late
// completion comes back on that worker. Failures are the service's, one to one.
#pragma once

#include <string_view>

#include "blocks/state/state_service.h"
#include "tandem_wit.h"

namespace tandem::host {

// Lives as long as the process.
const tdm_state_vtable& state_vtable();

// What a guest's entry asks for. Fails with kInvalidArgument, ERR_MALFORMED_REQUEST, for a time to live that is neither
// -1 nor 1 or more seconds.
Result<state::SetRequest> set_request(const tdm_state_entry& entry);
state::DeleteRequest delete_request(const tdm_state_entry& entry);
Result<state::Operation> operation(const tdm_state_entry& entry);
state::Consistency consistency(int choice);

// The state store that wasi:keyvalue's open(identifier) means. An identifier is the name of a store. "" and "default"
// are, unless a store has that name, the first of the app's stores in the order of their names. kNotFound: no such
// store; kPermissionDenied: the app is not in the store's scopes.
Result<std::string> find_store(const state::StateService& service, std::string_view app_id,
                               std::string_view identifier);

}  // namespace tandem::host
