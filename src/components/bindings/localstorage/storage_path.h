// Where a file name that comes from outside leads below a folder: never out of it.
//
// As a chroot would have it: "..", absolute names and symbolic links are followed with the folder as the root.
// Blocking; any thread; never throws. Between the answer and its use somebody may put a link in the way: who opens the
// path does it one part after the other and follows none (open_below).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tandem::components {

// The parts of the path, without links and dots; empty: the folder itself. Parts behind one that is not there are as
// they were written. Fails when links lead round in circles, a part is too long or cannot be read.
Result<std::vector<std::string>> parts_below(const std::string& root, std::string_view name);

// "a/b"; "." for none.
std::string joined_parts(const std::vector<std::string>& parts);

// A file descriptor of one's own.
class OwnedFd final {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(other.release()) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept;
  OwnedFd(const OwnedFd&) = delete;
  OwnedFd& operator=(const OwnedFd&) = delete;
  ~OwnedFd();

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  int release() noexcept {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_;
};

enum class Missing { kFail, kMake };

// Opens the folder that the first `count` parts lead to; kMake: makes those that are not there. -1, and errno, when it
// cannot be opened; a link in its place is ENOTDIR or ELOOP.
OwnedFd open_folder(const std::string& root, const std::vector<std::string>& parts, std::size_t count, Missing missing);

}  // namespace tandem::components
