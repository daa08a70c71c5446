// tandem:dapr/pubsub for guests, and messaging's: the table behind the WIT interfaces, over PubsubService.
//
// Runs on the worker that polls the calling guest; a late completion comes back there. Failures are the service's.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "blocks/pubsub/pubsub_service.h"
#include "tandem_wit.h"

namespace tandem::host {

// Lives as long as the process.
const tdm_pubsub_vtable& pubsub_vtable();

// The pubsub that messaging means by an identifier: the name of one. "" and "default" are, unless a pubsub has that
// name, what the app's settings name, else the first of the app's pubsubs in the order of their names. kNotFound: none.
Result<std::string> find_pubsub(const pubsub::PubsubService& service, std::string_view app_id,
                                std::string_view identifier, std::string_view preferred);

// The views live as long as the guest's call.
struct BulkCall {
  std::vector<pubsub::BulkEntry> entries;
  Metadata metadata;  // of the call as a whole: rawPayload
};

// Fails with kInvalidArgument, ERR_PUBSUB_EVENTS_SER, when only some of the entries are raw payloads: one call
// publishes either CloudEvents or raw payloads.
Result<BulkCall> bulk_call(const tdm_publish_entry* entries, std::size_t count);

}  // namespace tandem::host
