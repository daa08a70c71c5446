#include "server/file_watch.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace tandem::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kEntries = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE;
constexpr std::uint32_t kContents = IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB;

struct Place {
  std::string folder;
  std::string name;
};

// Where an entry is, and what it is called there.
Place place_of(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {".", std::string(path)};
  return {slash == 0 ? "/" : std::string(path.substr(0, slash)), std::string(path.substr(slash + 1))};
}

// A new file is being written: that it is closed will be heard of. A link is complete.
bool is_being_written(const std::string& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink == 1;
}

int milliseconds_until(SteadyTime time) {
  if (time == SteadyTime::max()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(time - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

}  // namespace

Result<std::unique_ptr<FileWatch>> FileWatch::open(const std::vector<std::string>& folders,
                                                   const std::vector<std::string>& files) {
  const int inotify = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (inotify < 0) {
    return fail(Code::kResourceExhausted, fmt::format("cannot watch files (inotify): {}", std::strerror(errno)));
  }
  const int end = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::unique_ptr<FileWatch> self(new FileWatch(inotify, end));
  if (end < 0) return fail(Code::kResourceExhausted, fmt::format("cannot watch files: {}", std::strerror(errno)));
  for (const std::string& folder : folders) {
    if (Status watched = self->watch_folder(folder); !watched) return fail(std::move(watched.error()));
    // Who comes in its place.
    const Place place = place_of(folder);
    if (place.name == "." || place.name == ".." || place.name.empty()) continue;
    Status watched = self->watch(place.folder, kEntries, {.name = place.name, .target = folder, .is_folder = true});
    if (!watched) return fail(std::move(watched.error()));
  }
  for (const std::string& file : files) {
    const Place place = place_of(file);
    // In a ConfigMap's folder the file is a link through this one.
    for (const std::string& name : {place.name, std::string("..data")}) {
      Status watched = self->watch(place.folder, kEntries | kContents, {.name = name, .target = file});
      if (!watched) return fail(std::move(watched.error()));
    }
  }
  return self;
}

FileWatch::~FileWatch() {
  ::close(inotify_);
  if (end_ >= 0) ::close(end_);
}

Status FileWatch::watch_folder(const std::string& folder) {
  return watch(folder, kEntries | kContents, {.name = {}, .target = folder});
}

Status FileWatch::watch(const std::string& folder, std::uint32_t events, Interest interest) {
  const int number = ::inotify_add_watch(inotify_, folder.c_str(), events | IN_ONLYDIR | IN_MASK_ADD);
  if (number < 0) {
    // It is heard of when it comes.
    if (errno == ENOENT || errno == ENOTDIR || errno == EACCES) return {};
    return fail(Code::kResourceExhausted,
                fmt::format("cannot watch {}: {}{}", folder, std::strerror(errno),
                            errno == ENOSPC ? " (fs.inotify.max_user_watches is used up)" : ""));
  }
  folders_[number] = folder;
  std::vector<Interest>& interests = watched_[number];
  const bool known = std::ranges::any_of(
      interests, [&](const Interest& one) { return one.name == interest.name && one.target == interest.target; });
  if (!known) interests.push_back(std::move(interest));
  return {};
}

bool FileWatch::take_events(std::set<std::string>& changed) {
  bool busy = false;
  alignas(inotify_event) std::array<char, 16 * 1024> buffer;
  while (true) {
    const ssize_t size = ::read(inotify_, buffer.data(), buffer.size());
    if (size <= 0) return busy;
    for (const char* at = buffer.data(); at < buffer.data() + size;) {
      const auto* const event = reinterpret_cast<const inotify_event*>(at);
      at += sizeof(inotify_event) + event->len;
      if ((event->mask & IN_Q_OVERFLOW) != 0) {
        for (const auto& [number, interests] : watched_) {
          for (const Interest& one : interests) changed.insert(one.target);
        }
        busy = true;
        continue;
      }
      const auto found = watched_.find(event->wd);
      if (found == watched_.end()) continue;
      if ((event->mask & IN_IGNORED) != 0) {
        // The folder is gone; what was looked for in it is, too.
        for (const Interest& one : found->second) changed.insert(one.target);
        watched_.erase(found);
        folders_.erase(event->wd);
        busy = true;
        continue;
      }
      const std::string_view name = event->len > 0 ? std::string_view(event->name) : std::string_view();
      // watch() may add to them.
      const std::vector<Interest> interests = found->second;
      for (const Interest& one : interests) {
        if (!one.name.empty() && one.name != name) continue;
        busy = true;
        if ((event->mask & IN_MODIFY) != 0) continue;
        if ((event->mask & IN_CREATE) != 0 && !one.is_folder &&
            is_being_written(folders_[event->wd] + "/" + std::string(name))) {
          continue;
        }
        changed.insert(one.target);
        if (one.is_folder && (event->mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
          [[maybe_unused]] const Status watched = watch_folder(one.target);
        }
      }
    }
  }
}

std::set<std::string> FileWatch::wait(SteadyTime until) {
  std::set<std::string> changed;
  SteadyTime quiet_at = SteadyTime::max();
  SteadyTime longest = SteadyTime::max();
  while (true) {
    const SteadyTime wake = changed.empty() ? until : std::min(quiet_at, longest);
    std::array<pollfd, 2> watched = {{{inotify_, POLLIN, 0}, {end_, POLLIN, 0}}};
    const int ready = ::poll(watched.data(), watched.size(), milliseconds_until(wake));
    if (ready < 0 && errno != EINTR) return {};
    if (watched[1].revents != 0) return {};
    if (ready > 0 && take_events(changed)) {
      const SteadyTime now = Clock::now();
      quiet_at = now + kQuiet;
      if (!changed.empty() && longest == SteadyTime::max()) longest = now + kLongest;
    }
    if (Clock::now() >= (changed.empty() ? until : std::min(quiet_at, longest))) return changed;
  }
}

void FileWatch::ask_to_end() {
  const std::uint64_t one = 1;
  while (::write(end_, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

bool FileWatch::asked_to_end() const {
  pollfd watched = {end_, POLLIN, 0};
  return ::poll(&watched, 1, 0) > 0;
}

}  // namespace tandem::server
