#include "components/bindings/localstorage/storage_path.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <deque>
#include <utility>

namespace tandem::components {
namespace {

constexpr int kMaxLinks = 255;
constexpr std::size_t kMaxParts = 4096;
constexpr mode_t kFolderMode = 0777;

// The parts of `path` in front of those that are still to come.
void put_in_front(std::string_view path, std::deque<std::string>& rest) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) parts.emplace_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  rest.insert(rest.begin(), std::make_move_iterator(parts.begin()), std::make_move_iterator(parts.end()));
}

std::string below(const std::string& root, const std::vector<std::string>& parts) {
  std::string path = root;
  for (const std::string& part : parts) path.append("/").append(part);
  return path;
}

}  // namespace

Result<std::vector<std::string>> parts_below(const std::string& root, std::string_view name) {
  if (name.contains('\0')) return fail(Code::kInvalidArgument, "a file name has no zero byte");
  if (name.size() > PATH_MAX) return fail(Code::kInvalidArgument, "file name too long");
  std::deque<std::string> rest;
  put_in_front(name, rest);
  std::vector<std::string> parts;
  int links = 0;
  while (!rest.empty()) {
    std::string part = std::move(rest.front());
    rest.pop_front();
    if (part == ".") continue;
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
      continue;
    }
    parts.push_back(std::move(part));
    std::array<char, PATH_MAX> target{};
    const ssize_t length = ::readlink(below(root, parts).c_str(), target.data(), target.size());
    if (length < 0) {
      // No link, or nothing at all.
      if (errno == EINVAL || errno == ENOENT || errno == ENOTDIR) continue;
      return fail(Code::kInternal, std::strerror(errno));
    }
    if (++links > kMaxLinks || rest.size() + parts.size() > kMaxParts) {
      return fail(Code::kInvalidArgument, "too many levels of symbolic links");
    }
    const std::string_view link(target.data(), static_cast<std::size_t>(length));
    if (link.starts_with('/')) {
      parts.clear();
    } else {
      parts.pop_back();
    }
    put_in_front(link, rest);
  }
  return parts;
}

std::string joined_parts(const std::vector<std::string>& parts) {
  std::string path;
  for (const std::string& part : parts) path.append(path.empty() ? "" : "/").append(part);
  return path.empty() ? "." : path;
}

OwnedFd& OwnedFd::operator=(OwnedFd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = other.release();
  }
  return *this;
}

OwnedFd::~OwnedFd() {
  if (fd_ >= 0) ::close(fd_);
}

OwnedFd open_folder(const std::string& root, const std::vector<std::string>& parts, std::size_t count,
                    Missing missing) {
  constexpr int kFlags = O_DIRECTORY | O_CLOEXEC | O_RDONLY;
  OwnedFd folder(::open(root.c_str(), kFlags));
  for (std::size_t i = 0; i < count && folder.is_open(); ++i) {
    int next = ::openat(folder.get(), parts[i].c_str(), kFlags | O_NOFOLLOW);
    if (next < 0 && errno == ENOENT && missing == Missing::kMake) {
      // Somebody else may have made it meanwhile.
      if (::mkdirat(folder.get(), parts[i].c_str(), kFolderMode) != 0 && errno != EEXIST) return OwnedFd();
      next = ::openat(folder.get(), parts[i].c_str(), kFlags | O_NOFOLLOW);
    }
    const int why = errno;
    folder = OwnedFd(next);
    errno = why;
  }
  return folder;
}

}  // namespace tandem::components
