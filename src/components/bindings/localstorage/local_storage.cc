#include "components/bindings/localstorage/local_storage.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "base/json.h"
#include "base/uuid.h"
#include "components/bindings/localstorage/storage_path.h"

namespace tandem::components {
namespace {

using bindings::InvokeAnswer;
using bindings::InvokeRequest;
using Parts = std::vector<std::string>;

constexpr std::array<std::string_view, 4> kOperations = {"create", "get", "list", "delete"};
constexpr std::array<std::string_view, 5> kForbiddenRoots = {"/proc", "/sys", "/boot", "/var/run/secrets",
                                                             "/run/secrets"};
constexpr mode_t kFileMode = 0666;
constexpr int kMaxDepth = 100;  // of folders in a list: each holds a file descriptor

// Go's words: those of the C library, in small letters.
std::string reason(int error) {
  std::string text = std::strerror(error);
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] | 0x20);
  return text;
}

std::unexpected<Error> failed(std::string message) { return fail(Code::kInternal, std::move(message)); }

// "error opening path /x: open /x: permission denied"
std::unexpected<Error> failed(std::string_view what, std::string_view call, std::string_view path, int error) {
  return failed(fmt::format("{} {}: {} {}: {}", what, path, call, path, reason(error)));
}

std::string path_of(const std::string& root, const Parts& parts) {
  return parts.empty() ? root : root + "/" + joined_parts(parts);
}

// A JSON string becomes its text, and what is base64 then its bytes.
std::string decoded(std::string data) {
  if (const Result<std::string_view> json = parse_json(data); json && json_kind(*json) == JsonKind::kString) {
    data = json_text(*json);
  }
  if (Result<std::string> bytes = base64_decode(data)) return std::move(*bytes);
  return data;
}

Status write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(Code::kInternal, reason(errno));
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

// The last part, in its folder, or the folder itself; -1 and errno when it cannot be opened.
OwnedFd open_last(const std::string& root, const Parts& parts, int flags) {
  if (parts.empty()) return OwnedFd(::open(root.c_str(), flags | O_CLOEXEC, kFileMode));
  const OwnedFd folder = open_folder(root, parts, parts.size() - 1, Missing::kFail);
  if (!folder.is_open()) return OwnedFd();
  // A pipe that nobody writes must hold up nobody.
  return OwnedFd(::openat(folder.get(), parts.back().c_str(), flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, kFileMode));
}

Result<InvokeAnswer> create(const std::string& root, const Parts& parts, std::string data) {
  const std::string path = path_of(root, parts);
  if (!parts.empty() && !open_folder(root, parts, parts.size() - 1, Missing::kMake).is_open()) {
    const int error = errno;
    return failed("error creating directory", "mkdir", path_of(root, {parts.begin(), parts.end() - 1}), error);
  }
  const OwnedFd file = open_last(root, parts, O_WRONLY | O_CREAT | O_TRUNC);
  if (!file.is_open()) return failed("error creating file", "open", path, errno);
  if (const Status written = write_all(file.get(), decoded(std::move(data))); !written) {
    return failed(fmt::format("error writing to file {}: write {}: {}", path, path, written.error().message));
  }
  std::string answer = R"({"fileName":)";
  append_json_string(answer, joined_parts(parts));
  return InvokeAnswer{.data = share(answer + "}")};
}

Result<InvokeAnswer> get(const std::string& root, const Parts& parts) {
  const std::string path = path_of(root, parts);
  const OwnedFd file = open_last(root, parts, O_RDONLY);
  if (!file.is_open()) {
    const int error = errno;
    if (error == ENOENT) return failed(fmt::format("file not found: {}", path));
    return failed("error opening path", "open", path, error);
  }
  std::string bytes;
  std::array<char, 64 * 1024> piece;
  for (;;) {
    const ssize_t got = ::read(file.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("error reading file", "read", path, errno);
    if (got == 0) break;
    bytes.append(piece.data(), static_cast<std::size_t>(got));
    if (bytes.size() > LocalStorage::kMaxFileBytes) {
      return failed(
          fmt::format("error reading file {}: it has more than {} MiB", path, LocalStorage::kMaxFileBytes >> 20));
    }
  }
  return InvokeAnswer{.data = share(std::move(bytes))};
}

// A folder goes when it is empty.
Result<InvokeAnswer> remove(const std::string& root, const Parts& parts) {
  const std::string path = path_of(root, parts);
  const auto refuse = [&](int error) { return failed("error deleting file", "remove", path, error); };
  if (parts.empty()) return refuse(EBUSY);
  const OwnedFd folder = open_folder(root, parts, parts.size() - 1, Missing::kFail);
  if (!folder.is_open()) return refuse(errno);
  if (::unlinkat(folder.get(), parts.back().c_str(), 0) == 0) return InvokeAnswer{};
  const int error = errno;
  if (error != EISDIR && error != EPERM) return refuse(error);
  if (::unlinkat(folder.get(), parts.back().c_str(), AT_REMOVEDIR) == 0) return InvokeAnswer{};
  return refuse(errno == ENOTDIR ? error : errno);
}

struct Listing {
  std::vector<std::string> files;
  std::size_t seen = 0;
  bool too_many = false;
  bool too_deep = false;
};

// All that are no folders, in the order of their names, each folder's content in its place. Links are not followed.
// What cannot be read is left out.
void list_into(OwnedFd folder, const std::string& path, Listing& listing, int depth = 0) {
  if (depth == kMaxDepth) {
    listing.too_deep = true;
    return;
  }
  const int fd = folder.get();
  DIR* stream = ::fdopendir(fd);
  if (stream == nullptr) return;
  folder.release();
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (++listing.seen > LocalStorage::kMaxListed) {
      listing.too_many = true;
      break;
    }
    names.emplace_back(name);
  }
  std::ranges::sort(names);
  for (const std::string& name : names) {
    if (listing.too_many || listing.too_deep) break;
    const std::string full = path + "/" + name;
    OwnedFd inner(::openat(fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (inner.is_open()) {
      list_into(std::move(inner), full, listing, depth + 1);
    } else if (struct stat status{};
               ::fstatat(fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(status.st_mode)) {
      listing.files.push_back(full);
    }
  }
  ::closedir(stream);
}

Result<InvokeAnswer> list(const std::string& root, const Parts& parts) {
  const std::string path = path_of(root, parts);
  OwnedFd folder = open_last(root, parts, O_RDONLY);
  if (!folder.is_open()) return failed("error getting stats for path", "stat", path, errno);
  struct stat status{};
  if (::fstat(folder.get(), &status) != 0 || !S_ISDIR(status.st_mode)) {
    return failed(fmt::format("unable to list files as the file specified is not a directory: {}", path));
  }
  Listing listing;
  list_into(std::move(folder), path, listing);
  if (listing.too_many) {
    return failed(
        fmt::format("error listing files in the directory {}: there are more than {}", path, LocalStorage::kMaxListed));
  }
  if (listing.too_deep) {
    return failed(
        fmt::format("error listing files in the directory {}: folders are nested deeper than {}", path, kMaxDepth));
  }
  // As Go writes a list that nothing was put into.
  if (listing.files.empty()) return InvokeAnswer{.data = share("null")};
  std::string json = "[";
  for (const std::string& file : listing.files) {
    if (json.size() > 1) json += ',';
    append_json_string(json, file);
  }
  return InvokeAnswer{.data = share(json + "]")};
}

Result<InvokeAnswer> carry_out(const std::string& root, InvokeRequest request) {
  std::string name;
  if (const auto given = request.metadata.find("fileName"); given != request.metadata.end()) name = given->second;
  if (name.empty() && request.operation == "create") name = random_uuid();
  const Result<Parts> parts = parts_below(root, name);
  if (!parts) return failed(fmt::format("error getting absolute path for file {}: {}", name, parts.error().message));
  if (request.operation == "create") return create(root, *parts, std::move(request.data));
  if (request.operation == "get") return get(root, *parts);
  if (request.operation == "delete") return remove(root, *parts);
  return list(root, *parts);
}

}  // namespace

Result<std::unique_ptr<LocalStorage>> LocalStorage::open(std::string_view root_path) {
  namespace fs = std::filesystem;
  const auto refuse = [](std::string message) { return fail(Code::kInvalidArgument, std::move(message)); };
  if (root_path.empty()) return refuse("rootPath: must not be empty");
  std::error_code error;
  const fs::path absolute = fs::absolute(fs::path(root_path), error);
  fs::path root = error ? fs::path() : fs::weakly_canonical(absolute, error);
  if (error) return refuse(fmt::format("rootPath {}: {}", root_path, error.message()));
  // Without a slash at its end.
  if (!root.has_filename()) root = root.parent_path();
  const std::string text = root.string();
  for (const std::string_view forbidden : kForbiddenRoots) {
    if (text == forbidden || (text.starts_with(forbidden) && text[forbidden.size()] == '/')) {
      return refuse(fmt::format("rootPath {}: points to a disallowed location", root_path));
    }
  }
  if (fs::exists(root, error) && !fs::is_directory(root, error)) {
    return refuse(fmt::format("rootPath {}: is a file, not a folder", root_path));
  }
  fs::create_directories(root, error);
  if (error) return refuse(fmt::format("rootPath {}: cannot be made: {}", root_path, error.message()));
  return std::unique_ptr<LocalStorage>(new LocalStorage(text));
}

std::span<const std::string_view> LocalStorage::operations() const { return kOperations; }

// The calls that have no answer yet. Each is answered once, by whoever takes it out first.
class LocalStorage::Calls final {
 public:
  std::uint64_t add(Completion<InvokeAnswer> done) {
    const std::lock_guard lock(mutex_);
    open_.emplace(++last_, std::move(done));
    return last_;
  }
  void answer(std::uint64_t call, Result<InvokeAnswer> answer) {
    std::unique_lock lock(mutex_);
    auto taken = open_.extract(call);
    lock.unlock();
    if (!taken.empty()) taken.mapped()(std::move(answer));
  }
  void fail_all(const Error& error) {
    std::unique_lock lock(mutex_);
    auto all = std::exchange(open_, {});
    lock.unlock();
    for (auto& [call, done] : all) done(fail(error));
  }

 private:
  std::mutex mutex_;
  std::map<std::uint64_t, Completion<InvokeAnswer>> open_;
  std::uint64_t last_ = 0;
};

LocalStorage::LocalStorage(std::string root)
    : root_(std::make_shared<const std::string>(std::move(root))),
      calls_(std::make_shared<Calls>()),
      pool_(2, kMaxWaiting) {}

void LocalStorage::invoke(const CallContext&, InvokeRequest request, Completion<InvokeAnswer> done) {
  const std::uint64_t call = calls_->add(std::move(done));
  Task task = [root = root_, calls = calls_, call, request = std::move(request)]() mutable {
    calls->answer(call, carry_out(*root, std::move(request)));
  };
  if (!pool_.try_post(task)) calls_->answer(call, fail(Code::kResourceExhausted, "too many calls wait for the disk"));
}

void LocalStorage::close(SteadyTime deadline) {
  if (pool_.stop(deadline)) return;
  calls_->fail_all(make_error(Code::kUnavailable, "the component is closed, and the disk has not answered in time"));
}

}  // namespace tandem::components
