#include "cli/cache_folder.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>

namespace tandem::cli {
namespace {

constexpr std::time_t kWriterGoneAge = 60;
constexpr std::time_t kMostAge = 60 * 60;

bool is_ours_alone(const std::string& folder) {
  struct stat info{};
  return ::lstat(folder.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == ::geteuid() &&
         (info.st_mode & 077) == 0;
}

// The process that writes "<hash>.tmp<process>-<number>"; nullopt for another name.
std::optional<pid_t> writer_of(std::string_view name) {
  constexpr std::string_view kMark = ".tmp";
  constexpr std::size_t kHashDigits = 64;
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (name.size() <= kHashDigits + kMark.size() || name.substr(kHashDigits, kMark.size()) != kMark ||
      !std::ranges::all_of(name.substr(0, kHashDigits), is_hex)) {
    return std::nullopt;
  }
  const char* const end = name.data() + name.size();
  pid_t process = 0;
  const auto first = std::from_chars(name.data() + kHashDigits + kMark.size(), end, process);
  if (first.ec != std::errc() || process <= 0 || first.ptr == end || *first.ptr != '-') return std::nullopt;
  unsigned long number = 0;
  const auto second = std::from_chars(first.ptr + 1, end, number);
  if (second.ec != std::errc() || second.ptr != end) return std::nullopt;
  return process;
}

// This process has not written yet: the file of its number is an earlier one's.
bool is_gone(pid_t process) { return process == ::getpid() || (::kill(process, 0) != 0 && errno == ESRCH); }

bool is_left_over(const std::filesystem::path& path) {
  const auto writer = writer_of(path.filename().string());
  struct stat info{};
  if (!writer || ::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
  const std::time_t age = std::time(nullptr) - info.st_mtime;
  return age > kMostAge || (age > kWriterGoneAge && is_gone(*writer));
}

}  // namespace

CacheFolder choose_cache_folder(const FlagSet& flags, const Environment& environment) {
  if (flags.is_on("--no-cache")) return {};
  if (auto folder = flags.value("--cache-folder")) return {*folder, {}};
  std::filesystem::path base = environment("XDG_CACHE_HOME");
  if (!base.is_absolute()) {
    const std::string home = environment("HOME");
    if (home.empty()) {
      return {{}, "compiled modules are not kept: HOME is not set; --cache-folder names a folder for them"};
    }
    base = std::filesystem::path(home) / ".cache";
  }
  return {(base / "tandem" / "modules").string(), {}};
}

std::size_t remove_leftovers(const std::string& folder) {
  if (folder.empty() || !is_ours_alone(folder)) return 0;
  std::size_t removed = 0;
  std::error_code error;
  std::filesystem::directory_iterator at(folder, error);
  while (!error && at != std::filesystem::directory_iterator()) {
    // What another start has removed first is gone all the same.
    if (is_left_over(at->path()) && ::unlink(at->path().c_str()) == 0) ++removed;
    at.increment(error);
  }
  return removed;
}

}  // namespace tandem::cli
