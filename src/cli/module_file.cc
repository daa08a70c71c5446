#include "cli/module_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "config/text.h"

namespace tandem::cli {
namespace {

constexpr std::string_view kMagic("\0asm", 4);

bool is_yaml(std::string_view path) { return path.ends_with(".yaml") || path.ends_with(".yml"); }

}  // namespace

Status check_module_file(const std::string& path) {
  const std::string shown = config::printable(path);
  const auto unreadable = [&](int code) {
    return fail(Code::kNotFound, fmt::format("cannot read {}: {}", shown, std::strerror(code)));
  };
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return unreadable(errno);
  if (S_ISDIR(info.st_mode)) {
    return fail(Code::kInvalidArgument,
                fmt::format("{0} is a folder; for the tandem.yaml in it: tandem run -f {0}", shown));
  }
  if (!S_ISREG(info.st_mode)) return fail(Code::kInvalidArgument, fmt::format("{} is not a file", shown));
  if (is_yaml(path)) {
    return fail(Code::kInvalidArgument,
                fmt::format("{0} is not a .wasm; for the apps in it: tandem run -f {0}", shown));
  }
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return unreadable(errno);
  std::array<char, kMagic.size()> start{};
  const ssize_t got = ::read(fd, start.data(), start.size());
  const int problem = errno;
  ::close(fd);
  if (got < 0) return unreadable(problem);
  // The text form of a module has another name and is read by the engine.
  const std::string_view first(start.data(), static_cast<std::size_t>(got));
  if (!path.ends_with(".wat") && first != kMagic) {
    return fail(
        Code::kInvalidArgument,
        fmt::format("{} is not WebAssembly: it does not start with \\0asm; give the .wasm that the build of the guest "
                    "makes (the text form is named .wat)",
                    shown));
  }
  return {};
}

}  // namespace tandem::cli
