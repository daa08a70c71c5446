#include "way.h"

#include <algorithm>
#include <filesystem>

#include "guest_door.h"

namespace tandem::conformance {
namespace {

std::string_view door_name(Door door) {
  switch (door) {
    case Door::kService: return "service";
    case Door::kHttp: return "http";
    case Door::kGrpc: return "grpc";
    case Door::kGuest: return "guest";
  }
  return "unknown";
}

}  // namespace

std::string way_name(const Way& way) {
  std::string name = std::string(door_name(way.door)) + "_" + way.folder;
  std::ranges::replace_if(name, [](char c) { return c == '/' || c == '-'; }, '_');
  return name;
}

std::vector<Way> every_way(const std::string& block) {
  // A component with several versions has a folder for each.
  std::vector<std::string> folders;
  const std::filesystem::path components(TANDEM_COMPONENTS_DIR);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(components / block)) {
    if (entry.path().filename() != "conformance.yaml") continue;
    folders.push_back(std::filesystem::relative(entry.path().parent_path(), components).string());
  }
  std::ranges::sort(folders);
  std::vector<Way> ways;
  for (const Door door : {Door::kService, Door::kHttp, Door::kGrpc, Door::kGuest}) {
    for (const std::string& folder : folders) ways.push_back({door, folder});
  }
  return ways;
}

std::string why_closed(Door door) {
  if (door == Door::kGuest) return GuestDoor::missing();
  // It hands things from thread to thread where the sanitizer does not see it.
  if (door == Door::kGrpc && TANDEM_THREAD_SANITIZER) return "gRPC's library is not built with the thread sanitizer";
  return "";
}

}  // namespace tandem::conformance
