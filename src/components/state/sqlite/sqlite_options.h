// SqliteOptions: what the metadata of a state.sqlite component says, checked, with Dapr's names, defaults and rules.
// Plain values; any thread. Fails with kInvalidArgument and the key at fault.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"
#include "components/state/sqlite/database.h"

namespace tandem::components {

struct SqliteOptions {
  // A path, a "file:" URI with SQLite's and Dapr's options (mode, immutable, _pragma=…), or ":memory:".
  std::string connection_string;
  // How long a request may take, waiting included.
  std::chrono::milliseconds timeout{20'000};
  // How long SQLite waits for a lock that another process holds; 0 or less: not at all.
  std::chrono::milliseconds busy_timeout{2'000};
  bool disable_wal = false;
  std::string table_name = "state";
  std::string metadata_table_name = "metadata";
  // Between two removals of expired rows; 0 or less: never.
  std::chrono::milliseconds cleanup_interval{0};
  // Name of a registered SQLite VFS; empty: the system's files.
  std::string vfs;
};

// The connection string, taken apart.
struct SqliteTarget {
  DatabaseFile file;
  bool in_memory = false;
  std::vector<std::string> pragmas;  // "cache_size(-4000)", from `_pragma`
};

Result<SqliteTarget> check_options(const SqliteOptions& options);

}  // namespace tandem::components
