#include "components/state/sqlite/schema.h"

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/number.h"

namespace tandem::components {
namespace {

// Two processes that open a new file at once meet in steps where SQLite does not wait by itself.
constexpr std::chrono::seconds kLockPatience{30};
constexpr std::chrono::milliseconds kLockPause{20};

Status insist(const std::function<Status()>& step) {
  const auto end = std::chrono::steady_clock::now() + kLockPatience;
  while (true) {
    Status status = step();
    if (status || status.error().code != Code::kUnavailable || std::chrono::steady_clock::now() > end) return status;
    std::this_thread::sleep_for(kLockPause);
  }
}

Result<std::unique_ptr<Database>> open_plain(const SqliteOptions& options, const SqliteTarget& target) {
  Result<std::unique_ptr<Database>> database = Database::open(target.file, options.busy_timeout);
  if (!database) return database;
  for (const std::string& pragma : target.pragmas) {
    if (Status status = (*database)->execute("PRAGMA " + pragma); !status) return fail(std::move(status.error()));
  }
  return database;
}

Status set_journal(Database& database, const std::string& mode) {
  return insist([&]() -> Status {
    Result<std::optional<std::string>> now = database.query_text("PRAGMA journal_mode=" + mode);
    if (!now) return fail(std::move(now.error()));
    if (now->value_or("") == mode) return {};
    return fail(Code::kFailedPrecondition, "SQLite: journal mode \"" + mode +
                                               "\" is not possible for this file; it is \"" + now->value_or("") +
                                               "\" (see the metadata property disableWAL)");
  });
}

Result<int> migration_level(Database& database, const std::string& table) {
  Result<std::optional<std::string>> text =
      database.query_text("SELECT value FROM " + table + " WHERE key = 'migrations'");
  if (!text) return fail(std::move(text.error()));
  if (!*text) return 0;
  const std::optional<int> level = parse_number<int>(**text);
  if (!level || *level < 0) {
    return fail(Code::kDataLoss, "SQLite: invalid migration level found in table " + table + ": " + **text);
  }
  return *level;
}

Status migrate_locked(Database& database, const SqliteOptions& options) {
  const std::vector<std::string> steps = {
      // 1. IF NOT EXISTS: the table is older than the table of migrations.
      "CREATE TABLE IF NOT EXISTS " + options.table_name +
      " (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL, is_binary BOOLEAN NOT NULL, etag TEXT NOT NULL, "
      "expiration_time TIMESTAMP DEFAULT NULL, update_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)"};
  const std::string& table = options.metadata_table_name;
  if (Status status = database.execute("CREATE TABLE IF NOT EXISTS " + table +
                                       " (key text NOT NULL PRIMARY KEY, value text NOT NULL)");
      !status) {
    return status;
  }
  Result<int> level = migration_level(database, table);
  if (!level) return fail(std::move(level.error()));
  for (std::size_t i = static_cast<std::size_t>(*level); i < steps.size(); ++i) {
    if (Status status = database.execute(steps[i]); !status) return status;
    const std::string next = std::to_string(i + 1);
    if (Status status =
            database.execute("REPLACE INTO " + table + " (key, value) VALUES ('migrations', '" + next + "')");
        !status) {
      return status;
    }
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Database>> open_writer(const SqliteOptions& options, const SqliteTarget& target) {
  Result<std::unique_ptr<Database>> database = open_plain(options, target);
  if (!database || target.in_memory || target.file.read_only) return database;
  // With a rollback journal a commit is its journal's removal from the folder, and only EXTRA makes that durable. The
  // change to the log is such a commit too: undone by a power failure, it would take the log's contents with it.
  Status status = (*database)->execute("PRAGMA synchronous=EXTRA");
  if (status) status = set_journal(**database, options.disable_wal ? "delete" : "wal");
  if (status && !options.disable_wal) status = (*database)->execute("PRAGMA synchronous=FULL");
  if (!status) return fail(std::move(status.error()));
  return database;
}

Result<std::unique_ptr<Database>> open_reader(const SqliteOptions& options, const SqliteTarget& target) {
  Result<std::unique_ptr<Database>> database = open_plain(options, target);
  if (!database) return database;
  if (Status status = (*database)->execute("PRAGMA query_only=ON"); !status) return fail(std::move(status.error()));
  return database;
}

Status migrate(Database& database, const SqliteOptions& options) {
  Status status = insist([&] { return database.execute("BEGIN EXCLUSIVE TRANSACTION"); });
  if (!status) return status;
  status = migrate_locked(database, options);
  if (status) status = insist([&] { return database.execute("COMMIT TRANSACTION"); });
  if (!status && database.in_transaction()) {
    if (Status undone = database.execute("ROLLBACK TRANSACTION"); !undone) return undone;
  }
  return status;
}

}  // namespace tandem::components
