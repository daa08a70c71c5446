// The metadata of an event as headers of the request that brings it to an app.
//
// A plain function, any thread, never throws.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/bytes.h"
#include "net/response_sink.h"

namespace tandem::app {

struct LeftOutMetadata {
  std::size_t count = 0;
  std::string_view first;  // a name of `metadata`
};

// A header for each, by its own name in lower case, as Dapr does it. Names and values come from outside, so what is no
// header, what is reserved (for the delivery itself, the connection, and who calls), and what is above 16 KiB in all,
// is left out. `own` is a name of Tandem's own: it always fits.
LeftOutMetadata add_metadata_headers(const Metadata& metadata, std::string_view own, net::OwnedHeaders& headers);

}  // namespace tandem::app
