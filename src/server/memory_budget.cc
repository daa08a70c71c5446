#include "server/memory_budget.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

namespace tandem::server {
namespace {

constexpr std::uint64_t kUnknown = std::numeric_limits<std::uint64_t>::max();

// "max" and what is no number say nothing.
std::uint64_t read_limit(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::uint64_t bytes = 0;
  return in >> bytes ? bytes : kUnknown;
}

std::uint64_t machine_memory(const std::filesystem::path& root) {
  std::ifstream in(root / "proc/meminfo");
  std::string name;
  std::uint64_t kilobytes = 0;
  return in >> name >> kilobytes && name == "MemTotal:" ? kilobytes * 1024 : kUnknown;
}

// The limit of this process's group and of those around it: "0::/a/b" is at sys/fs/cgroup/a/b (v2),
// "7:memory:/a/b" at sys/fs/cgroup/memory/a/b (v1). Inside a container the path is often not visible: then the root of
// what is mounted is the container's.
std::uint64_t group_limit(const std::filesystem::path& root) {
  const std::filesystem::path mounted = root / "sys/fs/cgroup";
  std::uint64_t least =
      std::min(read_limit(mounted / "memory.max"), read_limit(mounted / "memory/memory.limit_in_bytes"));
  std::ifstream in(root / "proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool unified = controllers.empty();
    if (!unified && controllers != "memory") continue;
    const std::filesystem::path base = unified ? mounted : mounted / "memory";
    const char* const file = unified ? "memory.max" : "memory.limit_in_bytes";
    for (auto group = std::filesystem::path(line.substr(second + 1)).relative_path(); !group.empty();
         group = group.parent_path()) {
      least = std::min(least, read_limit(base / group / file));
    }
  }
  return least;
}

}  // namespace

std::uint64_t default_guest_memory(const std::filesystem::path& root) {
  const std::uint64_t least = std::min(machine_memory(root), group_limit(root));
  return least == kUnknown ? 0 : least / 4 * 3;
}

}  // namespace tandem::server
