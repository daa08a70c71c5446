// Amounts of bytes as Kubernetes and Dapr write them: "64Mi", "1G", "4096". Pure; any thread; fails with
// kInvalidArgument.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tandem::config {

// A whole or decimal number, then nothing, a binary suffix (Ki Mi Gi Ti), a decimal one (k K M G T) or either with "B"
// behind it ("4MiB", "10MB"). Bytes; a fraction of a byte is rounded up.
Result<std::uint64_t> parse_quantity(std::string_view text);

}  // namespace tandem::config
