#include "components/state/sqlite/fault_vfs.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <random>
#include <utility>

namespace tandem::components {

// SQLite allocates it, with the real file behind it.
struct FaultVfs::File {
  sqlite3_file base;
  FaultVfs* vfs;
  const std::string* path;  // null for a temporary file, which no power failure matters to
  sqlite3_file* real;

  static File& of(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }
  static sqlite3_file* real_of(sqlite3_file* file) { return of(file).real; }
};

FaultVfs::FaultVfs(std::string name) : name_(std::move(name)), real_(sqlite3_vfs_find(nullptr)), vfs_(*real_) {
  vfs_.iVersion = 2;
  vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
  vfs_.pNext = nullptr;
  vfs_.zName = name_.c_str();
  vfs_.pAppData = this;
  vfs_.xOpen = open;
  vfs_.xDelete = remove;
  vfs_.xAccess = [](sqlite3_vfs* vfs, const char* path, int flags, int* result) {
    return of(vfs).real_->xAccess(of(vfs).real_, path, flags, result);
  };
  vfs_.xFullPathname = [](sqlite3_vfs* vfs, const char* path, int size, char* full) {
    return of(vfs).real_->xFullPathname(of(vfs).real_, path, size, full);
  };
  vfs_.xRandomness = [](sqlite3_vfs* vfs, int size, char* bytes) {
    return of(vfs).real_->xRandomness(of(vfs).real_, size, bytes);
  };
  vfs_.xSleep = [](sqlite3_vfs* vfs, int microseconds) { return of(vfs).real_->xSleep(of(vfs).real_, microseconds); };
  vfs_.xGetLastError = [](sqlite3_vfs* vfs, int size, char* text) {
    return of(vfs).real_->xGetLastError(of(vfs).real_, size, text);
  };
  vfs_.xCurrentTimeInt64 = current_time;
  EXPECT_EQ(sqlite3_vfs_register(&vfs_, 0), SQLITE_OK);
}

FaultVfs::~FaultVfs() { sqlite3_vfs_unregister(&vfs_); }

void FaultVfs::apply(Node& node, const Pending& change) {
  if (change.kind == Pending::Kind::kRemove) {
    node.durable.clear();
    node.exists = false;
    return;
  }
  node.exists = true;
  const auto offset = static_cast<std::size_t>(change.offset);
  if (change.kind == Pending::Kind::kTruncate) {
    node.durable.resize(offset);
    return;
  }
  if (node.durable.size() < offset + change.bytes.size()) node.durable.resize(offset + change.bytes.size());
  node.durable.replace(offset, change.bytes.size(), change.bytes);
}

void FaultVfs::sync_folder() {
  for (auto& [path, node] : nodes_) {
    for (std::size_t i = node.pending.size(); i-- > 0;) {
      if (node.pending[i].kind != Pending::Kind::kRemove) continue;
      apply(node, node.pending[i]);
      node.pending.erase(node.pending.begin(), node.pending.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      break;
    }
  }
}

void FaultVfs::cut() {
  std::lock_guard lock(mutex_);
  cut_ = true;
}

void FaultVfs::restore(std::uint64_t seed) {
  std::lock_guard lock(mutex_);
  std::mt19937_64 random(seed);
  for (auto& [path, node] : nodes_) {
    for (Pending& change : node.pending) {
      if (seed == 0 || random() % 2 == 0) continue;
      if (change.kind == Pending::Kind::kWrite && random() % 4 == 0)
        change.bytes.resize(random() % change.bytes.size());
      apply(node, change);
    }
    node.pending.clear();
    ::unlink(path.c_str());
    if (node.exists) std::ofstream(path, std::ios::binary) << node.durable;
    ::unlink((path + "-shm").c_str());
  }
  cut_ = false;
}

void FaultVfs::fill_disk() {
  std::lock_guard lock(mutex_);
  full_ = true;
}

void FaultVfs::free_disk() {
  std::lock_guard lock(mutex_);
  full_ = false;
}

void FaultVfs::fail_next_sync() {
  std::lock_guard lock(mutex_);
  fail_sync_ = true;
}

void FaultVfs::hold_syncs() {
  std::lock_guard lock(mutex_);
  hold_ = true;
}

void FaultVfs::wait_for_held_sync() {
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(10), [this] { return held_ > 0; }));
}

void FaultVfs::release_syncs() {
  {
    std::lock_guard lock(mutex_);
    hold_ = false;
  }
  changed_.notify_all();
}

int FaultVfs::syncs(std::string_view suffix) const {
  std::lock_guard lock(mutex_);
  int count = 0;
  for (const auto& [path, node] : nodes_) {
    if (path.ends_with(suffix)) count += node.syncs;
  }
  return count;
}

void FaultVfs::set_time(std::optional<std::int64_t> unix_seconds) {
  std::lock_guard lock(mutex_);
  unix_seconds_ = unix_seconds;
}

int FaultVfs::open(sqlite3_vfs* vfs, sqlite3_filename name, sqlite3_file* file, int flags, int* out_flags) {
  FaultVfs& self = of(vfs);
  File& opened = File::of(file);
  opened.base.pMethods = nullptr;
  opened.vfs = &self;
  opened.path = nullptr;
  opened.real = reinterpret_cast<sqlite3_file*>(&opened + 1);
  std::lock_guard lock(self.mutex_);
  if (name != nullptr && (flags & SQLITE_OPEN_DELETEONCLOSE) == 0) {
    const auto [at, added] = self.nodes_.try_emplace(name);
    if (added && std::filesystem::exists(name)) {
      // It was there before this VFS: taken for durable.
      std::ifstream stream(name, std::ios::binary);
      at->second.durable.assign(std::istreambuf_iterator<char>(stream), {});
      at->second.exists = true;
    }
    opened.path = &at->first;
  }
  if (self.cut_) return SQLITE_CANTOPEN;
  const int status = self.real_->xOpen(self.real_, name, opened.real, flags, out_flags);
  if (status == SQLITE_OK) opened.base.pMethods = &methods();
  return status;
}

int FaultVfs::remove(sqlite3_vfs* vfs, const char* name, int sync_folder) {
  FaultVfs& self = of(vfs);
  std::lock_guard lock(self.mutex_);
  if (self.cut_) return SQLITE_IOERR_DELETE;
  const int status = self.real_->xDelete(self.real_, name, 0);
  Node& node = self.nodes_[name];
  node.pending.push_back({Pending::Kind::kRemove, 0, {}});
  if (sync_folder != 0) {
    node.pending.clear();
    apply(node, {Pending::Kind::kRemove, 0, {}});
  }
  return status;
}

int FaultVfs::current_time(sqlite3_vfs* vfs, sqlite3_int64* time) {
  FaultVfs& self = of(vfs);
  std::lock_guard lock(self.mutex_);
  if (!self.unix_seconds_) return self.real_->xCurrentTimeInt64(self.real_, time);
  // Milliseconds since noon of the first Julian day.
  *time = 210'866'760'000'000 + *self.unix_seconds_ * 1000;
  return SQLITE_OK;
}

int FaultVfs::write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  File& opened = File::of(file);
  FaultVfs& self = *opened.vfs;
  std::lock_guard lock(self.mutex_);
  if (opened.path != nullptr) {
    if (self.cut_) return SQLITE_IOERR_WRITE;
    if (self.full_) return SQLITE_FULL;
    self.nodes_[*opened.path].pending.push_back(
        {Pending::Kind::kWrite, offset, std::string(static_cast<const char*>(data), static_cast<std::size_t>(size))});
  }
  return opened.real->pMethods->xWrite(opened.real, data, size, offset);
}

int FaultVfs::truncate(sqlite3_file* file, sqlite3_int64 size) {
  File& opened = File::of(file);
  FaultVfs& self = *opened.vfs;
  std::lock_guard lock(self.mutex_);
  if (opened.path != nullptr) {
    if (self.cut_) return SQLITE_IOERR_TRUNCATE;
    self.nodes_[*opened.path].pending.push_back({Pending::Kind::kTruncate, size, {}});
  }
  return opened.real->pMethods->xTruncate(opened.real, size);
}

int FaultVfs::sync(sqlite3_file* file, int) {
  File& opened = File::of(file);
  FaultVfs& self = *opened.vfs;
  if (opened.path == nullptr) return SQLITE_OK;
  std::unique_lock lock(self.mutex_);
  if (self.hold_) {
    ++self.held_;
    self.changed_.notify_all();
    self.changed_.wait(lock, [&self] { return !self.hold_; });
    --self.held_;
  }
  if (self.cut_ || std::exchange(self.fail_sync_, false)) return SQLITE_IOERR_FSYNC;
  Node& node = self.nodes_[*opened.path];
  // The system's VFS syncs the folder with the first sync of a new journal or log; the tests have one folder.
  if (!node.exists) self.sync_folder();
  for (const Pending& change : std::exchange(node.pending, {})) apply(node, change);
  node.exists = true;
  ++node.syncs;
  return SQLITE_OK;
}

const sqlite3_io_methods& FaultVfs::methods() {
  static const sqlite3_io_methods kMethods = {
      .iVersion = 2,
      .xClose = [](sqlite3_file* f) { return File::real_of(f)->pMethods->xClose(File::real_of(f)); },
      .xRead =
          [](sqlite3_file* f, void* data, int size, sqlite3_int64 offset) {
            return File::real_of(f)->pMethods->xRead(File::real_of(f), data, size, offset);
          },
      .xWrite = write,
      .xTruncate = truncate,
      .xSync = sync,
      .xFileSize = [](sqlite3_file* f,
                      sqlite3_int64* size) { return File::real_of(f)->pMethods->xFileSize(File::real_of(f), size); },
      .xLock = [](sqlite3_file* f, int kind) { return File::real_of(f)->pMethods->xLock(File::real_of(f), kind); },
      .xUnlock = [](sqlite3_file* f, int kind) { return File::real_of(f)->pMethods->xUnlock(File::real_of(f), kind); },
      .xCheckReservedLock =
          [](sqlite3_file* f, int* result) {
            return File::real_of(f)->pMethods->xCheckReservedLock(File::real_of(f), result);
          },
      .xFileControl =
          [](sqlite3_file* f, int what, void* argument) {
            return File::real_of(f)->pMethods->xFileControl(File::real_of(f), what, argument);
          },
      .xSectorSize = [](sqlite3_file* f) { return File::real_of(f)->pMethods->xSectorSize(File::real_of(f)); },
      .xDeviceCharacteristics =
          [](sqlite3_file* f) { return File::real_of(f)->pMethods->xDeviceCharacteristics(File::real_of(f)); },
      .xShmMap =
          [](sqlite3_file* f, int page, int size, int extend, void volatile** memory) {
            return File::real_of(f)->pMethods->xShmMap(File::real_of(f), page, size, extend, memory);
          },
      .xShmLock =
          [](sqlite3_file* f, int offset, int count, int flags) {
            return File::real_of(f)->pMethods->xShmLock(File::real_of(f), offset, count, flags);
          },
      .xShmBarrier = [](sqlite3_file* f) { File::real_of(f)->pMethods->xShmBarrier(File::real_of(f)); },
      .xShmUnmap = [](sqlite3_file* f,
                      int remove) { return File::real_of(f)->pMethods->xShmUnmap(File::real_of(f), remove); },
      .xFetch = nullptr,
      .xUnfetch = nullptr,
  };
  return kMethods;
}

namespace {

// The instrument itself: it must lose what was not synced, or the tests that use it prove nothing.
class FaultVfsTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  sqlite3* connect() {
    sqlite3* handle = nullptr;
    EXPECT_EQ(sqlite3_open_v2(path_.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs_.name().c_str()),
              SQLITE_OK);
    return handle;
  }
  static int execute(sqlite3* handle, const char* sql) { return sqlite3_exec(handle, sql, nullptr, nullptr, nullptr); }
  static int count(sqlite3* handle) {
    int rows = -1;
    sqlite3_exec(
        handle, "SELECT count(*) FROM t",
        [](void* to, int, char** values, char**) {
          *static_cast<int*>(to) = std::stoi(values[0]);
          return 0;
        },
        &rows, nullptr);
    return rows;
  }

  const std::string folder_ = testing::TempDir() + "fault_vfs_" + std::to_string(::getpid());
  const std::string path_ = folder_ + "/t.db";
  FaultVfs vfs_{"fault-vfs-test"};
};

TEST_F(FaultVfsTest, LosesACommitThatWasNotSynced) {
  sqlite3* handle = connect();
  ASSERT_EQ(execute(handle, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (n)"), SQLITE_OK);
  ASSERT_EQ(execute(handle, "INSERT INTO t VALUES (1)"), SQLITE_OK);
  ASSERT_EQ(execute(handle, "PRAGMA synchronous=OFF"), SQLITE_OK);
  ASSERT_EQ(execute(handle, "INSERT INTO t VALUES (2)"), SQLITE_OK);
  EXPECT_EQ(count(handle), 2);
  vfs_.cut();
  EXPECT_NE(execute(handle, "INSERT INTO t VALUES (3)"), SQLITE_OK);
  sqlite3_close(handle);
  vfs_.restore(0);

  handle = connect();
  EXPECT_EQ(count(handle), 1);
  sqlite3_close(handle);
}

TEST_F(FaultVfsTest, TimeIsWhatTheTestSays) {
  sqlite3* handle = connect();
  vfs_.set_time(1'700'000'000);
  std::string now;
  sqlite3_exec(
      handle, "SELECT CURRENT_TIMESTAMP",
      [](void* to, int, char** values, char**) {
        *static_cast<std::string*>(to) = values[0];
        return 0;
      },
      &now, nullptr);
  EXPECT_EQ(now, "2023-11-14 22:13:20");
  sqlite3_close(handle);
}

}  // namespace
}  // namespace tandem::components
