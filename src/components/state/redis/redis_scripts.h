// The Lua scripts of state.redis: a write with its checks is one step for everybody else who uses the server.
//
// A value is the hash of its key: `data`, `version` (the ETag, counted up by each write) and, when it was written with
// first-write concurrency, `first-write`. daprd reads and writes the same, and the conditions are daprd's: an ETag
// counts only where there is a value, and a value marked by `first-write` is overwritten only with its ETag.
// Constant texts; any thread. Each answers 1, or 0 where the conditions do not hold.
#pragma once

#include <string_view>

namespace tandem::components {

// KEYS[1]; ARGV: ETag or "0", the value, "0" to mark a first write, then seconds to live: none is "", zero and less is
// for ever.
extern const std::string_view kSetScript;

// KEYS[1]; ARGV: ETag or "0".
extern const std::string_view kDeleteScript;

// All or nothing. KEYS: of each operation; ARGV, four for each: what ("set", "del", or for JSON "jset", "jdel"), ETag
// or "0", the value, seconds to live.
extern const std::string_view kTransactionScript;

// The same for values that the server keeps as JSON (RedisJSON): an object with `data`, `version`, `first-write`.
// ARGV[2] is the text of that object without a version.
extern const std::string_view kSetJsonScript;
extern const std::string_view kDeleteJsonScript;

}  // namespace tandem::components
