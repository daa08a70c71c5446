// W3C's baggage, as OpenTelemetry's library for Go reads and writes it, which daprd uses. A pure function; any thread.
//
// Source: https://www.w3.org/TR/baggage/.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tandem::telemetry {

// The header's members without the spaces around them, each key once, its last value; several headers are joined by
// commas before. Fails with kInvalidArgument and a line for each mistake; too many members (64) or bytes (8192) are
// one.
Result<std::string> read_baggage(std::string_view header);

}  // namespace tandem::telemetry
