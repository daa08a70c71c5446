#include "net/socket_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <mutex>
#include <utility>

namespace tandem::net {

struct SocketFile::Shared {
  bool is_there() const {
    struct stat now{};
    return ::lstat(path.c_str(), &now) == 0 && now.st_dev == device && now.st_ino == inode;
  }

  std::string path;
  dev_t device = 0;
  ino_t inode = 0;
  std::mutex mutex;
  int holders = 1;  // guarded by mutex
};

SocketFile::SocketFile(std::string path) : shared_(std::make_shared<Shared>()) {
  shared_->path = std::move(path);
  struct stat made{};
  if (::lstat(shared_->path.c_str(), &made) != 0) return;
  shared_->device = made.st_dev;
  shared_->inode = made.st_ino;
}

void SocketFile::remove() {
  if (removed_.exchange(true)) return;
  const std::scoped_lock lock(shared_->mutex);
  if (--shared_->holders == 0 && shared_->is_there()) ::unlink(shared_->path.c_str());
}

std::unique_ptr<SocketFile> SocketFile::Reference::share() const {
  std::shared_ptr<Shared> shared = shared_.lock();
  if (!shared) return nullptr;
  {
    const std::scoped_lock lock(shared->mutex);
    if (shared->holders == 0 || !shared->is_there()) return nullptr;
    ++shared->holders;
  }
  return std::unique_ptr<SocketFile>(new SocketFile(std::move(shared)));
}

}  // namespace tandem::net
