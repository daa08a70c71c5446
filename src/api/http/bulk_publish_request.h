// The body of a bulk publish: an array of {"entryId","event","contentType","metadata"}.
//
// An event travels as its content type says: JSON as the bytes that were sent, text unquoted, binary from base64.
// Plain functions, any thread, never throws.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "blocks/pubsub/pubsub_service.h"

namespace tandem::api::http {

struct BulkPublishBody {
  // Their `data` points into the body or into `decoded`.
  std::vector<pubsub::BulkEntry> entries;
  // Nodes, so that the views of `entries` survive a move.
  std::set<std::string, std::less<>> decoded;
};

// Fails with reason ERR_PUBSUB_EVENTS_SER; the code tells what broke: kDataLoss the JSON, kInvalidArgument an event
// that does not fit its content type, kAlreadyExists an entry id that is missing or there twice. The message is the
// bare cause.
Result<BulkPublishBody> read_bulk_publish(std::string_view body);

}  // namespace tandem::api::http
