// FaultVfs: a SQLite VFS for tests, over the system's own, in which power fails, the disk fills up and time stands
// still.
//
// Register one before the store opens, and destroy it after the store. Everything written goes to real files; aside it
// keeps for each file what had been synced and what came after. cut() is the power failure: from then on no write, sync
// or removal succeeds. When every connection is closed, restore() makes the files what a disk may hold then. Any thread
// may call; its own failures are test failures, reported by gtest.
#pragma once

#include <sqlite3.h>

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::components {

class FaultVfs final {
 public:
  explicit FaultVfs(std::string name);
  ~FaultVfs();
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;

  const std::string& name() const { return name_; }

  void cut();
  // Seed 0: nothing that was not synced is there. Other seeds: any part of it, torn pieces included.
  void restore(std::uint64_t seed);

  // While the disk is full every write fails.
  void fill_disk();
  void free_disk();
  // Makes every later sync fail once.
  void fail_next_sync();

  // The next sync waits until release_syncs(); wait_for_held_sync() returns when one does.
  void hold_syncs();
  void wait_for_held_sync();
  void release_syncs();

  // Syncs of files whose name ends so ("-wal").
  int syncs(std::string_view suffix) const;
  // What SQLite takes for now: seconds since 1970; none: the system's clock.
  void set_time(std::optional<std::int64_t> unix_seconds);

 private:
  struct Pending {
    enum class Kind { kWrite, kTruncate, kRemove } kind;
    std::int64_t offset = 0;  // or the new size
    std::string bytes;
  };
  struct Node {
    std::string durable;
    bool exists = false;  // on the disk, after a power failure
    std::vector<Pending> pending;
    int syncs = 0;
  };
  struct File;

  static void apply(Node& node, const Pending& change);
  // Makes removals durable.
  void sync_folder();
  static FaultVfs& of(sqlite3_vfs* vfs) { return *static_cast<FaultVfs*>(vfs->pAppData); }

  static int open(sqlite3_vfs* vfs, sqlite3_filename name, sqlite3_file* file, int flags, int* out_flags);
  static int remove(sqlite3_vfs* vfs, const char* name, int sync_folder);
  static int current_time(sqlite3_vfs* vfs, sqlite3_int64* time);
  static int write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset);
  static int truncate(sqlite3_file* file, sqlite3_int64 size);
  static int sync(sqlite3_file* file, int flags);
  static const sqlite3_io_methods& methods();

  const std::string name_;
  sqlite3_vfs* const real_;
  sqlite3_vfs vfs_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Node> nodes_;  // by path
  bool cut_ = false;
  bool full_ = false;
  bool fail_sync_ = false;
  bool hold_ = false;
  int held_ = 0;
  std::optional<std::int64_t> unix_seconds_;
};

}  // namespace tandem::components
