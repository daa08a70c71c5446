// How much memory the guests of this process may take together when nobody says.
//
// Read once, at start, by the server; any thread. Never fails: what cannot be read does not count.
#pragma once

#include <cstdint>
#include <filesystem>

namespace tandem::server {

// Three quarters of the machine's memory or of the container's limit (cgroup v2 or v1), whichever is less: bytes. The
// rest is for the process itself and for what else runs there. `root` is "/" but for tests.
std::uint64_t default_guest_memory(const std::filesystem::path& root = "/");

}  // namespace tandem::server
