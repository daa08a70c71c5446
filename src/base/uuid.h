// Random identifiers. Any thread; never fails. Unguessable enough for ids and ETags, not for secrets.
#pragma once

#include <cstdint>
#include <string>

namespace tandem {

// 64 random bits from a generator of the calling thread that the system's entropy has seeded.
std::uint64_t random_bits();

// An RFC 9562 UUID, version 4: "2b5e1d0a-6c1f-4a43-9f0e-5d2c7c1f8b90".
std::string random_uuid();

}  // namespace tandem
