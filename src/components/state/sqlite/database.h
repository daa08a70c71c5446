// Database and Statement: SQLite's C handles with owners and with errors that say which file and why.
//
// A Database and its statements belong to one thread at a time. Every failure is an Error: kUnavailable when another
// process holds a lock, kResourceExhausted for a full disk, kFailedPrecondition for a read-only file, kDataLoss for a
// damaged one, else kInternal. Nothing throws.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tandem::components {

// A prepared statement. Ends before its Database does.
class Statement final {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  // Parameters count from 1. The text lives until the next reset().
  void bind(int parameter, std::string_view text);
  void bind(int parameter, std::int64_t number);
  void bind_null(int parameter);

  // True: a row is there. False: done.
  Result<bool> step();
  // Columns of the row count from 0; the view lives until the next step() or reset().
  std::string_view text(int column) const;
  std::int64_t number(int column) const;
  bool is_null(int column) const;
  // Ends the execution and forgets what was bound.
  void reset();

 private:
  friend class Database;
  Statement(const class Database& database, sqlite3_stmt* handle) : database_(&database), handle_(handle) {}

  const Database* database_ = nullptr;
  sqlite3_stmt* handle_ = nullptr;
};

// Resets a statement at the end of a block, also when the block is left early.
class StatementUse final {
 public:
  explicit StatementUse(Statement& statement) : statement_(statement) {}
  ~StatementUse() { statement_.reset(); }
  StatementUse(const StatementUse&) = delete;
  StatementUse& operator=(const StatementUse&) = delete;

 private:
  Statement& statement_;
};

// What to open.
struct DatabaseFile {
  std::string location;  // a path, or with `uri` a "file:" URI; ":memory:" for a database of this connection alone
  bool uri = false;
  bool read_only = false;
  std::string vfs;  // name of a registered VFS; empty: SQLite's default
};

class Database final {
 public:
  static Result<std::unique_ptr<Database>> open(const DatabaseFile& file, std::chrono::milliseconds busy_timeout);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Status execute(const std::string& sql);
  Result<Statement> prepare(const std::string& sql) const;
  // The first column of the first row; none: no row.
  Result<std::optional<std::string>> query_text(const std::string& sql);

  // Rows that the last statement changed.
  std::int64_t changes() const;
  bool in_transaction() const;
  // SQLite's last failure on this connection.
  Error last_error() const;

 private:
  Database(sqlite3* handle, std::string location) : handle_(handle), location_(std::move(location)) {}

  sqlite3* handle_;
  const std::string location_;
};

}  // namespace tandem::components
